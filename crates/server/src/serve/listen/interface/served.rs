//! The interface that is served.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Mac, Prefix};

use super::device::Device;
use super::own_address::{OwnAddress, listed};

/// An interface that is up and has an IPv4 address: what `netroot serve` answers on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The kernel's name, as in `ip link`.
    pub(crate) name: String,
    /// The kernel's index.
    pub(crate) index: u32,
    /// The hardware address; all zero on one that has none (loopback).
    pub(crate) mac: Mac,
    /// Its addresses, the one first by which machines know the server unless they are in another one's network; never
    /// empty.
    pub(super) addresses: Vec<OwnAddress>,
    /// Whether Ethernet frames are sent on it: not over InfiniBand, and not through a tunnel of IP packets.
    pub(crate) has_frames: bool,
    /// The longest IP packet that it carries, in bytes.
    pub(crate) mtu: u16,
}

impl Interface {
    /// Its networks, each with the server's address there (or the peer's, on a point-to-point link).
    pub(crate) fn networks(&self) -> impl Iterator<Item = Prefix> {
        self.addresses.iter().map(|own| own.network)
    }

    /// The first of its addresses, with the length of its prefix.
    pub(crate) fn first(&self) -> Prefix {
        let none = Prefix::host(Ipv4Addr::UNSPECIFIED);
        self.addresses.first().map_or(none, OwnAddress::prefix)
    }

    /// Its addresses, each once: an interface may have the same one in two networks (`10.0.0.1/24`, `10.0.0.1/32`).
    pub(crate) fn distinct_addresses(&self) -> Vec<IpAddr> {
        let mut distinct = Vec::new();
        for address in self.addresses.iter().map(|own| IpAddr::V4(own.address)) {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        distinct
    }

    /// The addresses that DHCPv4 can name, with their networks.
    pub(crate) fn ipv4_addresses(&self) -> impl Iterator<Item = (Ipv4Addr, Prefix)> {
        self.addresses.iter().map(|own| (own.address, own.network))
    }

    /// Whether an address is one of its own.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.ipv4_addresses().any(|(own, _)| own == address)
    }

    /// The network in which all of `addresses` are, with the server's address there. Of networks within each other it
    /// is the smallest, as for the kernel's routes; of several addresses in one network the first.
    pub(crate) fn network_of(&self, addresses: &[Ipv4Addr]) -> Option<(Ipv4Addr, Prefix)> {
        let holds = |network: Prefix| addresses.iter().all(|address| network.contains(*address));
        let mut found: Option<(Ipv4Addr, Prefix)> = None;
        for (own, network) in self.ipv4_addresses() {
            let smaller = found.is_none_or(|(_, best)| network.length() > best.length());
            if smaller && holds(network) {
                found = Some((own, network));
            }
        }
        found
    }

    /// Whether an address is in one of its networks.
    pub(crate) fn is_on_link(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.network_of(&[address]).is_some(),
            IpAddr::V6(_) => false,
        }
    }

    /// The address by which a client knows the server: the one in the network of the first of `clues` that is in any
    /// of its networks, else its first. Clues are addresses that the client uses or asks for.
    pub(crate) fn address_for(
        &self,
        clues: impl IntoIterator<Item = Ipv4Addr>,
    ) -> (Ipv4Addr, Prefix) {
        let own = |clue: Ipv4Addr| self.ipv4_addresses().find(|(own, _)| *own == clue);
        clues
            .into_iter()
            .filter(|clue| !clue.is_unspecified())
            .find_map(|clue| own(clue).or_else(|| self.network_of(&[clue])))
            .or_else(|| self.ipv4_addresses().next())
            .unwrap_or((Ipv4Addr::UNSPECIFIED, self.first()))
    }

    /// The same interface, known by the address in whose network `machine` is: where another server gives addresses,
    /// machines are there. Unchanged if it is in none.
    pub(crate) fn known_to(mut self, machine: Ipv4Addr) -> Self {
        if let Some((address, _)) = self.network_of(&[machine]) {
            self.addresses.sort_by_key(|own| own.address != address);
        }
        self
    }

    /// Its networks, for people: `10.0.0.0/24, 10.1.0.0/16`.
    pub(crate) fn networks_listed(&self) -> String {
        let mut networks: Vec<String> = Vec::new();
        for network in self.networks().map(|network| network.network().to_string()) {
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        networks.join(", ")
    }

    /// Its addresses but for one, with the lengths of their prefixes.
    pub(crate) fn others(&self, one: IpAddr) -> Vec<Prefix> {
        let all = self.addresses.iter().map(OwnAddress::prefix);
        all.filter(|own| own.address() != one).collect()
    }
}

impl Interface {
    /// As its sockets need it.
    pub(crate) fn device(&self) -> Device<'_> {
        Device {
            name: &self.name,
            index: self.index,
            has_arp: self.has_frames && self.mac.is_unicast(),
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, listed(&self.addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_addresses;
    use super::*;

    #[test]
    fn a_client_knows_the_server_by_the_address_in_its_own_network() {
        let interface = with_addresses(&["10.0.0.1", "192.168.5.1", "192.168.5.2"]);
        let known_by = |clues: &[&str]| {
            let clues = clues.iter().map(|clue| clue.parse().unwrap());
            interface.address_for(clues).0.to_string()
        };
        assert_eq!(known_by(&[]), "10.0.0.1");
        assert_eq!(known_by(&["0.0.0.0", "192.168.5.77"]), "192.168.5.1");
        assert_eq!(known_by(&["192.168.5.2"]), "192.168.5.2");
        assert_eq!(known_by(&["192.0.2.1"]), "10.0.0.1");
        assert_eq!(known_by(&["192.0.2.1", "192.168.5.9"]), "192.168.5.1");
    }

    #[test]
    fn a_range_is_in_the_network_that_has_both_its_ends() {
        let interface = with_addresses(&["10.0.0.1", "10.0.1.1"]);
        let network = |first: &str, last: &str| {
            let ends = [first.parse().unwrap(), last.parse().unwrap()];
            interface.network_of(&ends).map(|(own, _)| own.to_string())
        };
        assert_eq!(network("10.0.1.5", "10.0.1.9").as_deref(), Some("10.0.1.1"));
        assert_eq!(network("10.0.0.5", "10.0.1.9"), None);
        assert!(interface.has(Ipv4Addr::new(10, 0, 1, 1)));
        assert!(!interface.has(Ipv4Addr::new(10, 0, 1, 2)));
    }

    #[test]
    fn of_networks_within_each_other_the_smallest_is_a_clients_own() {
        let mut interface = with_addresses(&["10.0.0.1", "10.1.0.1"]);
        interface.addresses[0].network = "10.0.0.1/8".parse().unwrap();
        let own = |client: [u8; 4]| {
            interface
                .network_of(&[client.into()])
                .unwrap()
                .0
                .to_string()
        };
        assert_eq!(own([10, 1, 0, 7]), "10.1.0.1");
        assert_eq!(own([10, 2, 0, 7]), "10.0.0.1");
    }

    #[test]
    fn beside_another_server_it_is_known_by_the_address_in_the_network_of_that_servers_leases() {
        let interface = || with_addresses(&["192.168.77.5", "10.77.9.1"]);
        let known = interface().known_to(Ipv4Addr::new(10, 77, 9, 130));
        assert_eq!(known.first().to_string(), "10.77.9.1/24");
        let elsewhere = interface().known_to(Ipv4Addr::new(10, 5, 0, 1));
        assert_eq!(elsewhere, interface());
        assert_eq!(
            interface().networks_listed(),
            "192.168.77.0/24, 10.77.9.0/24"
        );
    }
}
