//! Whether a server that does not answer, or the router to it, is up at all, by the kernel's routes and ARP table.

use std::fmt;
use std::fs;
use std::net::IpAddr;

use netroot_net::ArpEntry;

use crate::net::next_hop::NextHop;

/// What the kernel's ARP table says of an address in this machine's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// It answered with its Ethernet address.
    Answers,
    /// It was asked and does not answer.
    Silent,
    /// It has no entry: it was not asked, or the entry has expired.
    Unknown,
}

/// What the kernel knows about the path to a server that did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reachability {
    /// This machine's address.
    pub(crate) own: IpAddr,
    /// The next hop on the path.
    pub(crate) hop: NextHop,
    /// What the ARP table says of that hop.
    pub(crate) neighbour: Neighbour,
}

impl Reachability {
    /// Looks up what the kernel knows about the path to a server that was just tried.
    pub(crate) fn to(server: IpAddr, own: IpAddr, hop: NextHop) -> Self {
        let table = || fs::read_to_string("/proc/net/arp").unwrap_or_default();
        let neighbour = match hop {
            NextHop::Direct => in_table(&table(), server),
            NextHop::Router { gateway, .. } => in_table(&table(), gateway),
            NextHop::NoRoute => Neighbour::Unknown,
        };
        Reachability {
            own,
            hop,
            neighbour,
        }
    }

    /// Writes what happened to a connection to this port, where `what` is expected to listen.
    pub(crate) fn describe(
        &self,
        f: &mut fmt::Formatter<'_>,
        server: IpAddr,
        port: u16,
        what: &str,
    ) -> fmt::Result {
        match self.hop {
            NextHop::NoRoute => write!(
                f,
                "there is no route from {} to {server}, which is in another network",
                self.own
            ),
            NextHop::Direct | NextHop::Router { .. } => {
                write!(f, "nothing answers at {server} port {port} ({what})")
            }
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self, server: IpAddr, port: u16) -> String {
        let own = self.own;
        match (self.hop, self.neighbour) {
            (NextHop::Direct, Neighbour::Silent) => format!(
                "{server} does not even answer ARP: check that it is switched on and in this network"
            ),
            (NextHop::Direct, Neighbour::Answers) => format!(
                "{server} is up (it answers ARP): check that no firewall on it drops port {port}"
            ),
            (NextHop::Direct, Neighbour::Unknown) => format!(
                "check that {server} is up and in this network, and that no firewall drops the port"
            ),
            (NextHop::Router { gateway, on_link: true }, Neighbour::Silent) => format!(
                "the router {gateway} does not even answer ARP: check that it is up, or correct its address (DHCP option 3, or the third field of ip=)"
            ),
            (NextHop::Router { gateway, on_link: false }, Neighbour::Silent) => format!(
                "the router {gateway} is not in this machine's own network and does not answer ARP: correct its address or the netmask (DHCP options 3 and 1, or ip=)"
            ),
            (NextHop::Router { gateway, .. }, Neighbour::Answers) => format!(
                "the router {gateway} is up (it answers ARP): check that {server} is up, that it has a route back to {own}, and that no firewall on the way drops port {port}"
            ),
            (NextHop::Router { gateway, .. }, Neighbour::Unknown) => format!(
                "check the router {gateway}, that {server} is up, and firewalls on the way"
            ),
            (NextHop::NoRoute, _) => "configure a router (DHCP option 3, or ip=<address>::<router>:<netmask>), or correct the server's address".to_owned(),
        }
    }
}

/// Looks an address up in the text of the ARP table.
fn in_table(table: &str, address: IpAddr) -> Neighbour {
    // IPv6 has no ARP.
    let IpAddr::V4(address) = address else {
        return Neighbour::Unknown;
    };
    match ArpEntry::find(table, address) {
        Some(ArpEntry { complete: true, .. }) => Neighbour::Answers,
        Some(_) => Neighbour::Silent,
        None => Neighbour::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arp_table_distinguishes_silent_neighbours_from_absent_ones() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         52:54:00:12:34:56     *        eth0
10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.3         0x1         0x6         52:54:00:12:34:57     *        eth0
";
        for (last, neighbour) in [
            (1, Neighbour::Answers),
            (2, Neighbour::Silent),
            (3, Neighbour::Answers),
            (4, Neighbour::Unknown),
        ] {
            let address = IpAddr::from([10, 0, 0, last]);
            assert_eq!(in_table(table, address), neighbour, "{address}");
        }
        assert_eq!(in_table("", [127, 0, 0, 1].into()), Neighbour::Unknown);
    }
}
