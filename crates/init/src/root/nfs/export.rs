//! The export that holds the root: resolves the names of its servers and probes each of them.

use std::net::IpAddr;

use netroot_net::Host;
use netroot_proto::cmdline::{BootPlan, Overlay};
use netroot_proto::mount::{KnownPorts, MachineIdentity, RootChoice, Version, versions_to_try};

use crate::console::{info, warn};
use crate::identity;
use crate::net::address::Address;
use crate::net::resolve::Resolver;
use crate::root::nfs::failover::ask_all;
use crate::root::nfs::server::Server;
use crate::root::nfs::{Found, NfsFault, Questions, ask};
use crate::root::programs::{self, Missing, NoInit};

/// An export that can be mounted, as far as the replies of its server show.
#[derive(Debug)]
pub(crate) struct Export {
    /// The choice of the root and its reason, with this server.
    pub(crate) choice: RootChoice,
    /// The server's address.
    pub(crate) server: IpAddr,
    /// Versions of NFS to try, in order.
    pub(crate) versions: Vec<Version>,
    /// Ports that answered.
    pub(crate) ports: KnownPorts,
    /// Why version 3 refused, if only version 4 is left to try.
    pub(crate) refusal: Option<String>,
    /// The program to run, if the probe found it.
    pub(crate) init: Option<String>,
    /// How much its server was asked.
    pub(crate) asked: Questions,
    /// The identity of this machine.
    pub(crate) machine: MachineIdentity,
}

impl Export {
    /// `server:path`, for messages.
    pub(crate) fn name(&self) -> String {
        name(&self.choice)
    }
}

fn name(choice: &RootChoice) -> String {
    format!("{}:{}", choice.server, choice.path)
}

/// Why none of the servers can be mounted from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// DNS.
    #[error(
        "no NFS server: the name {name} cannot be resolved{}; give the server's address",
        by_name_servers(servers)
    )]
    Unresolved {
        /// The name.
        name: String,
        /// The name servers that were asked.
        servers: Vec<IpAddr>,
    },
    /// The NFS server.
    #[error("{root}: {fault}")]
    Server {
        /// `server:path`.
        root: String,
        /// What was wrong with the server.
        fault: NfsFault,
    },
    /// The root has no init.
    #[error(transparent)]
    NoInit(#[from] NoInit),
}

fn by_name_servers(servers: &[IpAddr]) -> String {
    if servers.is_empty() {
        " because there is no name server".to_owned()
    } else {
        let servers: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
        format!(" by {}", servers.join(" or "))
    }
}

/// Tells which root was chosen, and what is odd about what it was chosen by.
pub(crate) fn announce(choice: &RootChoice) {
    for complaint in &choice.complaints {
        warn!("{complaint}");
    }
    let others: Vec<String> = choice.others.iter().map(Host::to_string).collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(", or from {}", others.join(" or "))
    };
    info!("root {} ({}){others}", name(choice), choice.why());
}

/// Probes the servers of the chosen root. Returns those that can be mounted from, best first, and at least one. Several
/// are asked for all, whatever `questions` says: only so one can be told from another.
pub(crate) fn find(
    choice: RootChoice,
    plan: &BootPlan,
    address: &Address,
    questions: Questions,
) -> Result<Vec<Export>, FindError> {
    let machine = identity::of(address.nic.mac);
    let hosts: Vec<Host> = choice.servers().cloned().collect();
    if let [host] = hosts.as_slice() {
        let probe = ServerProbe {
            questions,
            plan,
            address,
            choice: &choice,
            machine: &machine,
        };
        return Ok(vec![probe.probe(host)?]);
    }
    let what = "the NFS servers to answer";
    // For threads that may outlast this call.
    let (plan, address) = (plan.clone(), address.clone());
    let found = ask_all(&hosts, what, move |host| {
        let probe = ServerProbe {
            questions: Questions::All,
            plan: &plan,
            address: &address,
            choice: &choice,
            machine: &machine,
        };
        let found = probe.probe(host);
        match &found {
            Err(FindError::Server { fault, .. }) => {
                warn!("{host} cannot be used: {fault}; {}", fault.advice());
            }
            Err(error) => warn!("{host} cannot be used: {error}"),
            Ok(_) => {}
        }
        found
    });
    found.map_err(|failure| {
        // Unreachable: each host yields an error.
        failure.unwrap_or_else(|| FindError::Unresolved {
            name: hosts.iter().map(Host::to_string).collect(),
            servers: Vec::new(),
        })
    })
}

/// The root that the servers are probed for.
struct ServerProbe<'a> {
    plan: &'a BootPlan,
    address: &'a Address,
    choice: &'a RootChoice,
    machine: &'a MachineIdentity,
    questions: Questions,
}

impl ServerProbe<'_> {
    /// Probes one server, at each of its addresses until one is usable.
    fn probe(&self, host: &Host) -> Result<Export, FindError> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => Resolver::of(self.address).resolve(name),
        };
        let mut failure = None;
        for address in addresses {
            match self.probe_at(host, address) {
                Ok(export) => return Ok(export),
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        Err(failure.unwrap_or_else(|| FindError::Unresolved {
            name: host.to_string(),
            servers: self.address.dns.clone(),
        }))
    }

    fn probe_at(&self, host: &Host, server: IpAddr) -> Result<Export, FindError> {
        let choice = self.choice.from_server(host);
        let options = &choice.options;
        let asked = Server {
            address: server,
            mount_address: options.mount_server.unwrap_or(server),
            own: self.address.own(),
            hop: self.address.next_hop(server),
            ports: KnownPorts {
                nfs: options.port,
                mount: options.mount_port,
            },
            questions: self.questions,
        };
        let (versions, wanted) = (versions_to_try(options), programs::candidates(self.plan));
        let layered = self.plan.overlay.value != Overlay::Off;
        let offer = ask(&asked, &choice.path, &versions, &wanted, layered).map_err(|fault| {
            FindError::Server {
                root: name(&choice),
                fault,
            }
        })?;
        // Version 4 is always asked for all that it tells.
        let asked = match offer.versions.first() {
            Some(Version::V3) => self.questions,
            _ => Questions::All,
        };
        let mut export = Export {
            asked,
            choice,
            server,
            versions: offer.versions,
            ports: offer.ports,
            refusal: offer.refusal,
            init: None,
            machine: self.machine.clone(),
        };
        // If the probe found nothing about the programs, they are looked up in the mounted root.
        if !offer.programs.is_empty() {
            export.init = pick(&wanted, &offer.programs).map_err(|missing| {
                NoInit::none_of(self.plan, export.name(), missing, offer.instead.as_ref())
            })?;
        }
        Ok(export)
    }
}

/// The first program that exists. Unknown ones are left to the kernel: `None`.
fn pick(wanted: &[String], found: &[Found]) -> Result<Option<String>, Missing> {
    let mut unknown = false;
    let mut unusable = false;
    for (program, found) in wanted.iter().zip(found) {
        match found {
            Found::Yes if unknown => return Ok(None),
            Found::Yes => return Ok(Some(program.clone())),
            Found::Unknown => unknown = true,
            Found::NotAProgram => unusable = true,
            Found::No => {}
        }
    }
    match (unknown, unusable) {
        (true, _) => Ok(None),
        (false, true) => Err(Missing::Unusable),
        (false, false) => Err(Missing::Absent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netroot_proto::cmdline::USUAL_PROGRAMS;

    fn picked(found: &[Found]) -> Result<Option<String>, Missing> {
        pick(&USUAL_PROGRAMS.map(str::to_owned), found)
    }

    #[test]
    fn the_first_program_that_exists_is_run() {
        use Found::{No, NotAProgram, Unknown, Yes};
        assert_eq!(picked(&[No, Yes, Yes, Yes]), Ok(Some("/etc/init".into())));
        assert_eq!(
            picked(&[NotAProgram, No, No, Yes]),
            Ok(Some("/bin/sh".into()))
        );
        assert_eq!(
            picked(&[Unknown, No, No, Yes]),
            Ok(None),
            "the kernel may have access where the probe has none"
        );
        assert_eq!(picked(&[No, No, No, Unknown]), Ok(None));
        assert_eq!(picked(&[No, No, No, No]), Err(Missing::Absent));
        assert_eq!(picked(&[No, NotAProgram, No, No]), Err(Missing::Unusable));
    }
}
