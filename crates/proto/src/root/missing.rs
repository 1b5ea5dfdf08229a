//! What a configured address leaves open about the root, for which a DHCP server can be asked.

use std::fmt;
use std::net::IpAddr;

use netroot_net::Host;

use super::choose::{LeaseFacts, NoRoot, choose_root_of};
use crate::cmdline::BootPlan;
use crate::mount::{Evidence, MachineIdentity};

/// What is missing, the first thing that is. Displays as `a root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Nothing names a path, or a server, but perhaps the kernel's `/tftpboot/%s`.
    Root,
    /// The server is named, and no name server is known.
    NameServer(String),
    /// The server is in another network, and no route leads there.
    Router(IpAddr),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("a root"),
            Self::NameServer(host) => write!(f, "a name server, to find {host}"),
            Self::Router(server) => write!(f, "a router on the way to {server}"),
        }
    }
}

/// What is missing for the root; `None` if it can be mounted as far as the address goes, or
/// if no DHCP server could help. `name_servers`: whether any are known; `reaches`: whether an address is reachable.
pub fn missing(
    plan: &BootPlan,
    facts: &LeaseFacts<'_>,
    machine: &MachineIdentity,
    name_servers: bool,
    reaches: impl Fn(IpAddr) -> bool,
) -> Option<Missing> {
    let choice = match choose_root_of(plan, facts, machine) {
        Ok(choice) => choice,
        Err(NoRoot::Token { .. }) => return None,
        Err(_) => return Some(Missing::Root),
    };
    if choice.path_from == Evidence::KernelDefault && facts.root_path.is_none() {
        return Some(Missing::Root);
    }
    // One server that can be reached is enough.
    let mut first = None;
    for server in choice.servers() {
        let missing = match server {
            Host::Name(name) if !name_servers => Missing::NameServer(name.clone()),
            Host::Address(address) if !reaches(*address) => Missing::Router(*address),
            Host::Name(_) | Host::Address(_) => return None,
        };
        first.get_or_insert(missing);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacks(cmdline: &str, root_path: Option<&[u8]>) -> Option<String> {
        let plan = BootPlan::parse(cmdline);
        let request = plan.network.addressing.first().unwrap();
        let own = request.address().unwrap();
        let facts = LeaseFacts {
            address: Some(own.address()),
            request: Some(request),
            root_path,
            ..LeaseFacts::default()
        };
        let reaches = |other: IpAddr| request.gateway.is_some() || own.contains(other);
        let names = !request.dns.is_empty();
        missing(&plan, &facts, &MachineIdentity::default(), names, reaches).map(|l| l.to_string())
    }

    #[test]
    fn nothing_is_missing_for_a_complete_address() {
        for cmdline in [
            "ip=10.0.0.5:::24::eth0:off nfsroot=10.0.0.1:/r",
            "ip=10.0.0.5:10.0.0.1::24::eth0:off nfsroot=/r",
            "ip=10.0.0.5::10.0.0.254:24::eth0:off nfsroot=192.0.2.1:/r",
            "ip=10.0.0.5:::24::eth0:off:10.0.0.53 nfsroot=nas:/r",
            "ip=10.0.0.5:::24::eth0:off nfsroot=nas|10.0.0.1:/r",
            "ip=10.0.0.5:::24::eth0:off nfsroot=10.0.0.1:/%s",
            // No DHCP server knows a serial number.
            "ip=10.0.0.5:::24::eth0:off nfsroot=10.0.0.1:/%{serial}",
        ] {
            assert_eq!(lacks(cmdline, None), None, "{cmdline}");
        }
    }

    #[test]
    fn the_first_missing_fact_is_named() {
        for (cmdline, missing) in [
            ("root=dhcp ip=10.0.0.5:::24::eth0:off", "a root"),
            ("root=/dev/nfs ip=10.0.0.5:10.0.0.1::24::eth0:off", "a root"),
            ("ip=10.0.0.5:::24::eth0:off nfsroot=/r", "a root"),
            ("ip=10.0.0.5:::24::eth0:off root=/dev/sda1", "a root"),
            (
                "ip=10.0.0.5:::24::eth0:off nfsroot=nas:/r",
                "a name server, to find nas",
            ),
            (
                "ip=10.0.0.5:::24::eth0:off nfsroot=192.0.2.1:/r",
                "a router on the way to 192.0.2.1",
            ),
        ] {
            assert_eq!(lacks(cmdline, None).as_deref(), Some(missing), "{cmdline}");
        }
    }

    #[test]
    fn known_facts_are_not_requested_again() {
        let kernels = "root=/dev/nfs ip=10.0.0.5:10.0.0.1::24::eth0:off";
        assert_eq!(lacks(kernels, Some(b"/srv/root")), None);
        // Only a server in it: the path stays the kernel's.
        assert_eq!(lacks(kernels, Some(b"10.0.0.9:")), None);
        let named = "root=dhcp ip=10.0.0.5:::24::eth0:off";
        assert_eq!(lacks(named, Some(b"10.0.0.9:/r")), None);
        assert_eq!(
            lacks(named, Some(b"nas:/r")).as_deref(),
            Some("a name server, to find nas")
        );
        assert_eq!(lacks(named, Some(b"\x1b[2J")).as_deref(), Some("a root"));
    }
}
