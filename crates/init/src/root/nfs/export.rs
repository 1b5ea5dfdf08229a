//! The export that holds the root: chosen, its servers' names resolved, and each asked whether it can be mounted.

use std::net::Ipv4Addr;

use netroot_proto::cmdline::{BootPlan, InitProgram, Overlay};
use netroot_proto::mount::{
    Host, KnownPorts, MachineIdentity, RootChoice, Version, choose_root_of, versions_to_try,
};

use crate::console::{info, warn};
use crate::failure::Failure;
use crate::identity;
use crate::net::address::Address;
use crate::net::resolve::Resolver;
use crate::root::nfs::failover::ask_all;
use crate::root::nfs::server::Server;
use crate::root::nfs::{Found, ask};

/// A root that can be mounted, as far as its server says.
#[derive(Debug)]
pub(crate) struct Export {
    /// What was chosen, and why; the server is this one.
    pub(crate) choice: RootChoice,
    /// The server's address.
    pub(crate) server: Ipv4Addr,
    /// Versions of NFS to try, in order.
    pub(crate) versions: Vec<Version>,
    /// Ports that answered.
    pub(crate) ports: KnownPorts,
    /// What version 3 said, where only version 4 is left to try.
    pub(crate) refusal: Option<String>,
    /// The program to run, where the server told which one is there.
    pub(crate) init: Option<String>,
    /// Who is going to mount it.
    pub(crate) machine: MachineIdentity,
}

impl Export {
    /// `server:path`, for people.
    pub(crate) fn name(&self) -> String {
        name(&self.choice)
    }
}

fn name(choice: &RootChoice) -> String {
    format!("{}:{}", choice.server, choice.path)
}

/// The programs that may be the root's init, in order.
pub(crate) fn programs(plan: &BootPlan) -> Vec<String> {
    let candidates = plan.program.value.candidates();
    candidates.into_iter().map(str::to_owned).collect()
}

/// Chooses the root, and asks its servers about it: those that can be mounted from, the best one first.
pub(crate) fn find(plan: &BootPlan, address: &Address) -> Result<Vec<Export>, Failure> {
    let machine = identity::of(address.nic.mac);
    let choice = choose_root_of(plan, &address.facts(), &machine)
        .map_err(|reason| Failure::NoRoot { reason })?;
    for complaint in &choice.complaints {
        warn!("{complaint}");
    }
    let others: Vec<String> = choice.others.iter().map(Host::to_string).collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(", or from {}", others.join(" or "))
    };
    info!("root {} ({}){others}", name(&choice), choice.why());
    let hosts: Vec<Host> = choice.servers().cloned().collect();
    let several = hosts.len() > 1;
    let asking = Asking {
        plan: plan.clone(),
        address: address.clone(),
        choice,
        machine,
    };
    let what = "the NFS servers to answer";
    let found = ask_all(&hosts, what, move |host| {
        let found = asking.ask(host);
        match &found {
            Err(Failure::Nfs { fault, .. }) if several => {
                warn!("{host} cannot be used: {fault}; {}", fault.advice());
            }
            Err(failure) if several => warn!("{host} cannot be used: {failure}"),
            _ => {}
        }
        found
    });
    found.map_err(|failure| {
        // Every host says something, so that this is never seen.
        failure.unwrap_or_else(|| Failure::Unresolved {
            name: hosts.iter().map(Host::to_string).collect(),
            servers: Vec::new(),
        })
    })
}

/// What each server is asked about.
struct Asking {
    plan: BootPlan,
    address: Address,
    choice: RootChoice,
    machine: MachineIdentity,
}

impl Asking {
    /// Asks one server, at each of its addresses until one is good.
    fn ask(&self, host: &Host) -> Result<Export, Failure> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => Resolver::of(&self.address).resolve(name),
        };
        let mut failure = None;
        for address in addresses {
            match self.ask_at(host, address) {
                Ok(export) => return Ok(export),
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Unresolved {
            name: host.to_string(),
            servers: self.address.dns.clone(),
        }))
    }

    fn ask_at(&self, host: &Host, server: Ipv4Addr) -> Result<Export, Failure> {
        let choice = self.choice.from_server(host);
        let options = &choice.options;
        let asked = Server {
            address: server,
            mount_address: options.mount_server.unwrap_or(server),
            own: self.address.own,
            hop: self.address.next_hop(server),
            ports: KnownPorts {
                nfs: options.port,
                mount: options.mount_port,
            },
        };
        let (versions, wanted) = (versions_to_try(options), programs(&self.plan));
        let layered = self.plan.overlay.value != Overlay::Off;
        let offer = ask(&asked, &choice.path, &versions, &wanted, layered).map_err(|fault| {
            Failure::Nfs {
                root: name(&choice),
                fault,
                loss: None,
            }
        })?;
        let mut export = Export {
            choice,
            server,
            versions: offer.versions,
            ports: offer.ports,
            refusal: offer.refusal,
            init: None,
            machine: self.machine.clone(),
        };
        // Without an answer about the programs, they are looked for in the mounted root.
        if !offer.programs.is_empty() {
            export.init = pick(&wanted, &offer.programs)
                .map_err(|missing| no_init(&self.plan, &export, missing))?;
        }
        Ok(export)
    }
}

/// The first program that is there. Unknown ones are left to the kernel: `None`.
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

/// How the init is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no such file.
    Absent,
    /// There is one, and it cannot be run.
    Unusable,
}

/// The failure of a root without an init.
pub(crate) fn no_init(plan: &BootPlan, export: &Export, missing: Missing) -> Failure {
    let programs = programs(plan);
    let tried = match programs.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => programs.join(", "),
    };
    let advice = match (missing, &plan.program.value) {
        (Missing::Unusable, _) => {
            "what has that name is no file that can be run: set its execute permission"
        }
        (Missing::Absent, InitProgram::Path(_)) => "correct init=",
        (Missing::Absent, InitProgram::GuixSystem { .. }) => "correct gnu.system= and gnu.load=",
        (Missing::Absent, InitProgram::Usual) => {
            "put a root file system there, or name its program with init="
        }
    };
    Failure::NoInit {
        root: export.name(),
        tried,
        advice,
    }
}

/// The failure of a Guix System whose boot program is not there.
pub(crate) fn no_boot_program(export: &Export, script: &str) -> Failure {
    Failure::NoInit {
        root: export.name(),
        tried: script.to_owned(),
        advice: "correct gnu.load=",
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
    fn the_first_program_that_is_there_is_run() {
        use Found::{No, NotAProgram, Unknown, Yes};
        assert_eq!(picked(&[No, Yes, Yes, Yes]), Ok(Some("/etc/init".into())));
        assert_eq!(
            picked(&[NotAProgram, No, No, Yes]),
            Ok(Some("/bin/sh".into()))
        );
        assert_eq!(
            picked(&[Unknown, No, No, Yes]),
            Ok(None),
            "the kernel may be let where we are not"
        );
        assert_eq!(picked(&[No, No, No, Unknown]), Ok(None));
        assert_eq!(picked(&[No, No, No, No]), Err(Missing::Absent));
        assert_eq!(picked(&[No, NotAProgram, No, No]), Err(Missing::Unusable));
    }
}
