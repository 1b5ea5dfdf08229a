//! Which interface to serve.
//!
//! A single candidate is chosen; with several, the error lists them and the option that selects one. An interface is
//! never changed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Mac, Prefix};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// An interface that is up and has an IPv4 address: what `netroot serve` answers on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The kernel's name, as in `ip link`.
    pub(crate) name: String,
    /// The kernel's index.
    pub(crate) index: u32,
    /// The hardware address; all zero on one that has none (loopback).
    pub(crate) mac: Mac,
    /// Its addresses with their networks, in the kernel's order; never empty.
    addresses: Vec<Prefix>,
    /// The longest IP packet that it carries, in bytes.
    pub(crate) mtu: u16,
}

impl Interface {
    /// Its addresses with their networks.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Prefix> {
        self.addresses.iter().copied()
    }

    /// The first of its addresses, with its network.
    pub(crate) fn first(&self) -> Prefix {
        let none = Prefix::host(Ipv4Addr::UNSPECIFIED);
        self.addresses().next().unwrap_or(none)
    }

    /// Its addresses, each once: an interface may have the same one in two networks (`10.0.0.1/24`, `10.0.0.1/32`).
    pub(crate) fn distinct_addresses(&self) -> Vec<IpAddr> {
        let mut distinct = Vec::new();
        for address in self.addresses().map(Prefix::address) {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        distinct
    }

    /// The addresses that DHCPv4 can name, with their networks. What follows is for DHCPv4 too.
    pub(crate) fn ipv4_addresses(&self) -> impl Iterator<Item = (Ipv4Addr, Prefix)> {
        self.addresses().filter_map(|own| match own.address() {
            IpAddr::V4(address) => Some((address, own)),
            IpAddr::V6(_) => None,
        })
    }

    /// Whether an address is one of its own.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.ipv4_addresses().any(|(own, _)| own == address)
    }

    /// The network in which all of `addresses` are, with the server's address there.
    pub(crate) fn network_of(&self, addresses: &[Ipv4Addr]) -> Option<(Ipv4Addr, Prefix)> {
        self.ipv4_addresses()
            .find(|(_, network)| addresses.iter().all(|address| network.contains(*address)))
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
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, networks(&self.addresses))
    }
}

/// `10.0.0.1/24, 10.1.0.1/16`.
fn networks(addresses: &[Prefix]) -> String {
    let listed: Vec<String> = addresses.iter().map(Prefix::to_string).collect();
    listed.join(", ")
}

/// An interface of this machine, usable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    name: String,
    index: u32,
    up: bool,
    loopback: bool,
    mac: Option<Mac>,
    addresses: Vec<Prefix>,
    mtu: u16,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.addresses.as_slice()) {
            (false, _) => write!(f, "{} (down)", self.name),
            (true, []) => write!(f, "{} (no IPv4 address)", self.name),
            (true, addresses) => write!(f, "{} ({})", self.name, networks(addresses)),
        }
    }
}

/// Why no interface can be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterfaceError {
    /// The interfaces could not be listed.
    #[error("cannot list the network interfaces")]
    List(#[source] std::io::Error),
    /// `--interface` names one that does not exist.
    #[error("there is no interface {name}; this machine has {}", join(known))]
    Unknown {
        /// As given.
        name: String,
        /// The interfaces that exist.
        known: Vec<Candidate>,
    },
    /// It is administratively down.
    #[error("the interface {name} is down; bring it up: ip link set {name} up")]
    Down {
        /// Which one.
        name: String,
    },
    /// It has no IPv4 address.
    #[error(
        "the interface {name} has no IPv4 address; give it one, for example: ip address add 10.0.0.1/24 dev {name}"
    )]
    NoAddress {
        /// Which one.
        name: String,
    },
    /// None can be served.
    #[error(
        "no interface is up with an IPv4 address (there is {}); bring one up, for example: \
         ip link set IF up && ip address add 10.0.0.1/24 dev IF",
        join(known)
    )]
    NoneUsable {
        /// The interfaces that exist, and what each lacks.
        known: Vec<Candidate>,
    },
    /// Several can be served.
    #[error("several interfaces could serve: {}; name one, for example: --interface {}",
        join(usable), usable.first().map_or("IF", |first| first.name.as_str()))]
    Several {
        /// Those that are up and have an address.
        usable: Vec<Candidate>,
    },
}

fn join(candidates: &[Candidate]) -> String {
    let listed: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    if listed.is_empty() {
        "none".to_owned()
    } else {
        listed.join(", ")
    }
}

/// Every interface of this machine, in the kernel's order.
pub(crate) fn list() -> Result<Vec<Candidate>, InterfaceError> {
    let mut found: Vec<Candidate> = Vec::new();
    for entry in getifaddrs().map_err(|errno| InterfaceError::List(errno.into()))? {
        // An address with a label of its own is listed as `eth0:1`.
        let (name, _) = entry
            .interface_name
            .split_once(':')
            .unwrap_or((&entry.interface_name, ""));
        let position = found.iter().position(|seen| seen.name == name);
        let position = position.unwrap_or_else(|| {
            found.push(Candidate {
                index: nix::net::if_::if_nametoindex(name).unwrap_or(0),
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                mac: None,
                addresses: Vec::new(),
                mtu: read_mtu(name),
                name: name.to_owned(),
            });
            found.len() - 1
        });
        let Some(candidate) = found.get_mut(position) else {
            continue;
        };
        if let Some(link) = entry.address.as_ref().and_then(|a| a.as_link_addr()) {
            candidate.mac = link.addr().map(Mac);
        }
        // IPv4 only: an interface without it cannot be served.
        if let Some(address) = entry.address.as_ref().and_then(|a| a.as_sockaddr_in()) {
            let mask = entry.netmask.as_ref().and_then(|m| m.as_sockaddr_in());
            let length = mask.map_or(32, |mask| u32::from(mask.ip()).leading_ones());
            let length = u8::try_from(length).unwrap_or(32);
            candidate
                .addresses
                .push(Prefix::clamped(address.ip(), length));
        }
    }
    Ok(found)
}

/// 1500 where the kernel does not say: Ethernet's.
fn read_mtu(name: &str) -> u16 {
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/mtu")).unwrap_or_default();
    let mtu: u32 = text.trim().parse().unwrap_or(1500);
    u16::try_from(mtu).unwrap_or(u16::MAX)
}

/// The interface that `wanted` names, or else the only one that could serve.
pub(crate) fn choose(
    wanted: Option<&str>,
    candidates: Vec<Candidate>,
) -> Result<Interface, InterfaceError> {
    let chosen = match wanted {
        Some(name) => match candidates.iter().find(|candidate| candidate.name == name) {
            Some(named) => named.clone(),
            None => {
                return Err(InterfaceError::Unknown {
                    name: name.to_owned(),
                    known: candidates,
                });
            }
        },
        None => {
            let mut usable: Vec<Candidate> = candidates
                .iter()
                .filter(|candidate| {
                    candidate.up && !candidate.loopback && !candidate.addresses.is_empty()
                })
                .cloned()
                .collect();
            match (usable.pop(), usable.is_empty()) {
                (None, _) => {
                    let known = candidates.into_iter().filter(|c| !c.loopback).collect();
                    return Err(InterfaceError::NoneUsable { known });
                }
                (Some(only), true) => only,
                (Some(last), false) => {
                    usable.push(last);
                    return Err(InterfaceError::Several { usable });
                }
            }
        }
    };
    if !chosen.up {
        return Err(InterfaceError::Down { name: chosen.name });
    }
    if chosen.addresses.is_empty() {
        return Err(InterfaceError::NoAddress { name: chosen.name });
    }
    Ok(Interface {
        name: chosen.name,
        index: chosen.index,
        mac: chosen.mac.unwrap_or(Mac([0; 6])),
        addresses: chosen.addresses,
        mtu: chosen.mtu,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn interface() -> Interface {
        choose(None, vec![candidate("eth0", Some("10.0.0.1"))]).unwrap()
    }

    fn own(address: &str) -> Prefix {
        Prefix::clamped(address.parse::<IpAddr>().unwrap(), 24)
    }

    /// An interface with these addresses, all /24.
    pub(crate) fn with_addresses(addresses: &[&str]) -> Interface {
        Interface {
            addresses: addresses.iter().map(|address| own(address)).collect(),
            ..interface()
        }
    }

    fn candidate(name: &str, address: Option<&str>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            index: 7,
            up: true,
            loopback: name == "lo",
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            addresses: address.map(own).into_iter().collect(),
            mtu: 1500,
        }
    }

    fn loopback() -> Candidate {
        candidate("lo", Some("127.0.0.1"))
    }

    #[test]
    fn the_only_interface_with_an_address_is_chosen() {
        let candidates = vec![
            loopback(),
            candidate("wlan0", None),
            candidate("eth0", Some("10.0.0.1")),
        ];
        let chosen = choose(None, candidates).unwrap();
        assert_eq!(chosen.to_string(), "eth0 (10.0.0.1/24)");
    }

    #[test]
    fn several_interfaces_are_listed_with_the_option_that_selects_one() {
        let candidates = vec![
            loopback(),
            candidate("eth0", Some("192.168.1.5")),
            candidate("eth1", Some("10.0.0.1")),
        ];
        assert_eq!(
            choose(None, candidates).unwrap_err().to_string(),
            "several interfaces could serve: eth0 (192.168.1.5/24), eth1 (10.0.0.1/24); \
             name one, for example: --interface eth0"
        );
    }

    #[test]
    fn without_a_usable_interface_the_error_says_what_each_one_lacks() {
        let mut down = candidate("eth0", Some("10.0.0.1"));
        down.up = false;
        let error = choose(None, vec![loopback(), down, candidate("eth1", None)]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("eth0 (down), eth1 (no IPv4 address)"),
            "{error}"
        );
    }

    #[test]
    fn a_named_interface_is_chosen_or_the_error_says_what_it_lacks() {
        let mut down = candidate("eth1", None);
        down.up = false;
        let all = || vec![loopback(), candidate("eth0", None), down.clone()];
        assert_eq!(
            choose(Some("lo"), all()).unwrap().first().address(),
            Ipv4Addr::LOCALHOST
        );
        let unknown = choose(Some("eth7"), all()).unwrap_err().to_string();
        assert!(
            unknown.starts_with("there is no interface eth7; this machine has lo"),
            "{unknown}"
        );
        let no_address = choose(Some("eth0"), all()).unwrap_err().to_string();
        assert!(no_address.contains("ip address add"), "{no_address}");
        let is_down = choose(Some("eth1"), all()).unwrap_err().to_string();
        assert!(is_down.contains("ip link set eth1 up"), "{is_down}");
    }

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
    fn this_machine_has_a_loopback_with_its_address() {
        let lo = list()
            .unwrap()
            .into_iter()
            .find(|candidate| candidate.name == "lo")
            .unwrap();
        assert!(lo.loopback);
    }
}
