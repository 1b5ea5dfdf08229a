//! The export that holds the root: chosen, its server's name resolved, and asked whether it can be mounted.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::BootPlan;
use netroot_proto::mount::{Host, KnownPorts, RootChoice, Version, choose_root};

use crate::address::Address;
use crate::console::{caution, say};
use crate::failure::Failure;
use crate::nfs::{Found, NfsFault, Server, probe_v3, probe_v4};

/// What is run in the root unless `init=` says otherwise, in this order (the kernel's own).
const PROGRAMS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];
/// How long DNS may take. The C library asks each server twice, for five seconds.
const RESOLVE: Duration = Duration::from_secs(21);

/// A root that can be mounted, as far as its server says.
#[derive(Debug)]
pub(crate) struct Export {
    /// What was chosen, and why.
    pub(crate) choice: RootChoice,
    /// The server's address.
    pub(crate) server: Ipv4Addr,
    /// Versions of NFS to try, in order.
    pub(crate) versions: Vec<Version>,
    /// Ports that answered.
    pub(crate) ports: KnownPorts,
    /// The program to run, where the server told which one is there.
    pub(crate) init: Option<String>,
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
    match &plan.init {
        Some(init) => vec![init.value.clone()],
        None => PROGRAMS.map(str::to_owned).to_vec(),
    }
}

/// Chooses the root, and asks its server about it.
pub(crate) fn find(plan: &BootPlan, address: &Address) -> Result<Export, Failure> {
    let choice =
        choose_root(plan, &address.facts()).map_err(|reason| Failure::NoRoot { reason })?;
    for complaint in &choice.complaints {
        caution!("{complaint}");
    }
    say!("root {} ({})", name(&choice), choice.why());
    let server = resolve(&choice.server, address)?;
    let told = KnownPorts {
        nfs: choice.options.port,
        mount: choice.options.mount_port,
    };
    let versions = choice.options.versions.clone();
    let mut export = Export {
        choice,
        server,
        versions,
        ports: told,
        init: None,
    };
    let asked = Server {
        address: server,
        mount_address: export.choice.options.mount_server.unwrap_or(server),
        own: address.own,
        on_link: address.is_on_link(server),
        ports: told,
    };
    let fault = |fault: NfsFault, export: &Export| Failure::Nfs {
        root: export.name(),
        fault,
    };
    // Nothing said about the version: 3, and 4 where the server has no 3.
    let free = export.versions.is_empty();
    if free {
        export.versions = vec![Version::V3];
    }
    if export.versions.iter().any(|v| matches!(v, Version::V4(_))) {
        // Version 4 has no MOUNT to ask; the kernel finds out, and the program is looked for in the mounted root.
        probe_v4(&asked).map_err(|f| fault(f, &export))?;
        return Ok(export);
    }
    let wanted = programs(plan);
    let probed = match probe_v3(&asked, &export.choice.path, &wanted) {
        Ok(probed) => probed,
        // A server of version 4 alone runs no portmapper, and one with a portmapper knows no version 3.
        Err(f @ (NfsFault::NotRegistered { .. } | NfsFault::Closed { port: 111, .. })) if free => {
            if probe_v4(&asked).is_err() {
                return Err(fault(f, &export));
            }
            say!("{f}; trying version 4");
            export.versions = vec![Version::V4(2), Version::V4(1), Version::V4(0)];
            return Ok(export);
        }
        Err(f) => return Err(fault(f, &export)),
    };
    export.ports = probed.ports;
    export.init =
        pick(&wanted, &probed.programs).map_err(|missing| no_init(plan, &export, missing))?;
    Ok(export)
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
    let advice = match (missing, &plan.init) {
        (Missing::Unusable, _) => {
            "what has that name is no file that can be run: set its execute permission"
        }
        (Missing::Absent, Some(_)) => "correct init=",
        (Missing::Absent, None) => "put a root file system there, or name its program with init=",
    };
    Failure::NoInit {
        root: export.name(),
        tried,
        advice,
    }
}

/// The server's address. Names go through the C library's resolver, which reads the resolv.conf just written, in a
/// thread that can be given up.
fn resolve(host: &Host, address: &Address) -> Result<Ipv4Addr, Failure> {
    let name = match host {
        Host::Address(address) => return Ok(*address),
        Host::Name(name) => name.clone(),
    };
    let (sender, receiver) = mpsc::channel();
    let wanted = name.clone();
    let work = move || {
        let found = (wanted.as_str(), 0).to_socket_addrs();
        let addresses = found
            .into_iter()
            .flatten()
            .filter_map(|found| match found.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            });
        let _ = sender.send(addresses.collect::<Vec<_>>());
    };
    let found = if thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(work)
        .is_ok()
    {
        receiver.recv_timeout(RESOLVE).unwrap_or_default()
    } else {
        Vec::new()
    };
    let servers = address.dns.clone();
    found
        .first()
        .copied()
        .ok_or(Failure::Unresolved { name, servers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(found: &[Found]) -> Result<Option<String>, Missing> {
        pick(&PROGRAMS.map(str::to_owned), found)
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
