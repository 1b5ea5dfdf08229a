//! Which interface to serve on.
//!
//! Owns the choice and its explanation: with one candidate there is nothing to ask, with several the error lists
//! them and the option that picks one. It never changes an interface.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_proto::dhcp::{self, Mac};
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
    /// Our address on it: the first one, where there are several.
    pub(crate) address: Ipv4Addr,
    /// How many leading bits of that address name the network.
    pub(crate) prefix: u8,
    /// The longest IP packet that it carries, in bytes.
    pub(crate) mtu: u16,
}

impl Interface {
    /// The network's mask.
    pub(crate) fn netmask(&self) -> Ipv4Addr {
        dhcp::netmask(self.prefix)
    }

    /// The network's own address.
    pub(crate) fn network(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) & u32::from(self.netmask()))
    }

    /// Whether `address` is in this interface's network.
    pub(crate) fn reaches(&self, address: Ipv4Addr) -> bool {
        dhcp::same_network(address, self.address, self.prefix)
    }
}

/// What the system says of one interface, usable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    name: String,
    index: u32,
    up: bool,
    loopback: bool,
    mac: Option<Mac>,
    address: Option<(Ipv4Addr, u8)>,
    mtu: u16,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.address) {
            (false, _) => write!(f, "{} (down)", self.name),
            (true, None) => write!(f, "{} (no IPv4 address)", self.name),
            (true, Some((address, prefix))) => write!(f, "{} ({address}/{prefix})", self.name),
        }
    }
}

/// Why there is no interface to serve on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterfaceError {
    /// The system would not list its interfaces.
    #[error("the network interfaces could not be listed")]
    List(#[source] std::io::Error),
    /// `--interface` names one that does not exist.
    #[error("there is no interface {name}; this machine has {}", join(known))]
    Unknown {
        /// As asked for.
        name: String,
        /// What there is instead.
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
    /// Nothing to choose from.
    #[error(
        "no interface is up with an IPv4 address (there is {}); bring one up, for example: \
         ip link set IF up && ip address add 10.0.0.1/24 dev IF",
        join(known)
    )]
    NoneUsable {
        /// What there is, and what each lacks.
        known: Vec<Candidate>,
    },
    /// More than one could be meant.
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
        let position = found
            .iter()
            .position(|seen| seen.name == entry.interface_name);
        let position = position.unwrap_or_else(|| {
            found.push(Candidate {
                index: nix::net::if_::if_nametoindex(entry.interface_name.as_str()).unwrap_or(0),
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                mac: None,
                address: None,
                mtu: read_mtu(&entry.interface_name),
                name: entry.interface_name.clone(),
            });
            found.len() - 1
        });
        let Some(candidate) = found.get_mut(position) else {
            continue;
        };
        if let Some(link) = entry.address.as_ref().and_then(|a| a.as_link_addr()) {
            candidate.mac = link.addr().map(Mac);
        }
        if let Some(address) = entry.address.as_ref().and_then(|a| a.as_sockaddr_in()) {
            let mask = entry.netmask.as_ref().and_then(|m| m.as_sockaddr_in());
            let prefix = mask.map_or(32, |mask| u32::from(mask.ip()).leading_ones());
            candidate
                .address
                .get_or_insert((address.ip(), u8::try_from(prefix).unwrap_or(32)));
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
                    candidate.up && !candidate.loopback && candidate.address.is_some()
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
    let Some((address, prefix)) = chosen.address else {
        return Err(InterfaceError::NoAddress { name: chosen.name });
    };
    Ok(Interface {
        name: chosen.name,
        index: chosen.index,
        mac: chosen.mac.unwrap_or(Mac([0; 6])),
        address,
        prefix,
        mtu: chosen.mtu,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn interface() -> Interface {
        choose(None, vec![candidate("eth0", Some("10.0.0.1"))]).unwrap()
    }

    fn candidate(name: &str, address: Option<&str>) -> Candidate {
        Candidate {
            name: name.to_owned(),
            index: 7,
            up: true,
            loopback: name == "lo",
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            address: address.map(|address| (address.parse().unwrap(), 24)),
            mtu: 1500,
        }
    }

    fn loopback() -> Candidate {
        candidate("lo", Some("127.0.0.1"))
    }

    #[test]
    fn the_only_interface_with_an_address_is_chosen_without_asking() {
        let candidates = vec![
            loopback(),
            candidate("wlan0", None),
            candidate("eth0", Some("10.0.0.1")),
        ];
        let chosen = choose(None, candidates).unwrap();
        assert_eq!(
            (chosen.name.as_str(), chosen.address.to_string().as_str()),
            ("eth0", "10.0.0.1")
        );
    }

    #[test]
    fn several_are_listed_with_the_option_that_picks_one() {
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
    fn none_that_could_serve_says_what_each_one_lacks() {
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
    fn a_named_interface_is_taken_or_told_what_it_lacks() {
        let mut down = candidate("eth1", None);
        down.up = false;
        let all = || vec![loopback(), candidate("eth0", None), down.clone()];
        assert_eq!(
            choose(Some("lo"), all()).unwrap().address,
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
    fn the_network_follows_from_the_prefix() {
        let mut interface = choose(None, vec![candidate("eth0", Some("10.1.2.3"))]).unwrap();
        assert_eq!(interface.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert!(interface.reaches(Ipv4Addr::new(10, 1, 2, 200)));
        assert!(!interface.reaches(Ipv4Addr::new(10, 1, 3, 1)));
        interface.prefix = 0;
        assert_eq!(interface.netmask(), Ipv4Addr::UNSPECIFIED);
        assert!(interface.reaches(Ipv4Addr::new(8, 8, 8, 8)));
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
