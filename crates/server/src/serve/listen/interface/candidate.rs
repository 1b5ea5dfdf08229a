//! The interfaces of this machine, and which one is served.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_net::{Mac, Prefix};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::own_address::{self, OwnAddress, listed};
use super::served::Interface;

/// What is asked for. A label names its interface and its address.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// The interface, or the label of one of its addresses (`eth0:1`).
    pub(crate) interface: Option<&'a str>,
    /// The address by which machines know the server.
    pub(crate) address: Option<Ipv4Addr>,
}

/// An interface of this machine, usable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    name: String,
    index: u32,
    up: bool,
    loopback: bool,
    mac: Option<Mac>,
    addresses: Vec<OwnAddress>,
    has_frames: bool,
    mtu: u16,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.addresses.as_slice()) {
            (false, _) => write!(f, "{} (down)", self.name),
            (true, []) => write!(f, "{} (no IPv4 address)", self.name),
            (true, addresses) => write!(f, "{} ({})", self.name, listed(addresses)),
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
    /// `--interface` is the label of an address that the interface does not have.
    #[error(
        "no address of {interface} has the label {label}; it has {}; leave the label out, or name an address with \
         --address",
        labelled(known)
    )]
    UnknownLabel {
        /// As given.
        label: String,
        /// The interface that exists.
        interface: String,
        /// Its addresses.
        known: Candidate,
    },
    /// `--address` is another machine's.
    #[error(
        "{address} is not an address of this machine, which has {}",
        join(known)
    )]
    UnknownAddress {
        /// As given.
        address: Ipv4Addr,
        /// The interfaces that exist.
        known: Vec<Candidate>,
    },
    /// `--address` is another interface's.
    #[error("{address} is not an address of {chosen}; choose one of those, or leave --address out")]
    AddressElsewhere {
        /// As given.
        address: Ipv4Addr,
        /// The interface that is served.
        chosen: Candidate,
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

/// The addresses of an interface with their labels.
fn labelled(candidate: &Candidate) -> String {
    let of = |own: &OwnAddress| match &own.label {
        Some(label) => format!("{own} ({label})"),
        None => own.to_string(),
    };
    let all: Vec<String> = candidate.addresses.iter().map(of).collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

/// An address as the kernel lists it.
#[derive(Debug, Clone, Default)]
struct Listed<'a> {
    /// The interface's name, or the label of an alias.
    name: &'a str,
    address: Option<Ipv4Addr>,
    netmask: Option<Ipv4Addr>,
    /// The other end of a point-to-point link, or the broadcast address: there is one field for both.
    other: Option<Ipv4Addr>,
}

/// One address of an interface; `None` for another family's.
fn own_address(listed: &Listed<'_>) -> Option<OwnAddress> {
    let address = listed.address?;
    let length = listed
        .netmask
        .map_or(32, |mask| mask.to_bits().leading_ones());
    let length = u8::try_from(length).unwrap_or(32);
    // A peer has the whole address as its network, and nothing broadcasts to a network of one address.
    let peer = listed
        .other
        .filter(|other| length == 32 && *other != address && !other.is_unspecified());
    Some(OwnAddress {
        address,
        network: Prefix::clamped(peer.unwrap_or(address), length),
        label: listed.name.contains(':').then(|| listed.name.to_owned()),
    })
}

/// Every interface of this machine, in the kernel's order.
pub(crate) fn list() -> Result<Vec<Candidate>, InterfaceError> {
    let mut found: Vec<Candidate> = Vec::new();
    for entry in getifaddrs().map_err(|errno| InterfaceError::List(errno.into()))? {
        // An address with a label of its own is listed as `eth0:1`; no interface has such a name.
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
                has_frames: read_has_frames(name),
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
        let ipv4 = |address: Option<&nix::sys::socket::SockaddrStorage>| {
            address?
                .as_sockaddr_in()
                .map(nix::sys::socket::SockaddrIn::ip)
        };
        let listed = Listed {
            name: &entry.interface_name,
            address: ipv4(entry.address.as_ref()),
            netmask: ipv4(entry.netmask.as_ref()),
            other: ipv4(entry.destination.as_ref()).or(ipv4(entry.broadcast.as_ref())),
        };
        candidate.addresses.extend(own_address(&listed));
    }
    // A label without its interface's name: nothing can be bound to it.
    found.retain(|candidate| candidate.index != 0);
    Ok(found)
}

/// By the hardware type (`ARPHRD_ETHER`, `ARPHRD_LOOPBACK`); true where the kernel does not say.
fn read_has_frames(name: &str) -> bool {
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/type")).unwrap_or_default();
    matches!(text.trim(), "1" | "772" | "")
}

/// 1500 where the kernel does not say: Ethernet's.
fn read_mtu(name: &str) -> u16 {
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/mtu")).unwrap_or_default();
    let mtu: u32 = text.trim().parse().unwrap_or(1500);
    u16::try_from(mtu).unwrap_or(u16::MAX)
}

/// The interface that is wanted, or else the only one that could serve. Its first address is the one that is wanted, or
/// else the one that most machines can reach.
pub(crate) fn choose(
    wanted: Wanted<'_>,
    candidates: Vec<Candidate>,
) -> Result<Interface, InterfaceError> {
    let mut chosen = match (wanted.interface, wanted.address) {
        (Some(name), _) => named(name, candidates)?,
        (None, Some(address)) => with_address(address, candidates)?,
        (None, None) => only_usable(candidates)?,
    };
    if !chosen.up {
        return Err(InterfaceError::Down { name: chosen.name });
    }
    if chosen.addresses.is_empty() {
        return Err(InterfaceError::NoAddress { name: chosen.name });
    }
    if let Some(address) = wanted.address
        && !chosen.has(address)
    {
        return Err(InterfaceError::AddressElsewhere { address, chosen });
    }
    own_address::sort(&mut chosen.addresses, |own| match wanted.address {
        Some(address) => own.address == address,
        None => own.label.is_some() && own.label.as_deref() == wanted.interface,
    });
    Ok(Interface {
        name: chosen.name,
        index: chosen.index,
        mac: chosen.mac.unwrap_or(Mac([0; 6])),
        addresses: chosen.addresses,
        has_frames: chosen.has_frames,
        mtu: chosen.mtu,
    })
}

impl Candidate {
    fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }
}

/// By its name, or the label of one of its addresses.
fn named(name: &str, candidates: Vec<Candidate>) -> Result<Candidate, InterfaceError> {
    let (interface, is_label) = match name.split_once(':') {
        Some((interface, _)) => (interface, true),
        None => (name, false),
    };
    let found = candidates.iter().find(|one| one.name == interface);
    let Some(found) = found.cloned() else {
        return Err(InterfaceError::Unknown {
            name: interface.to_owned(),
            known: candidates,
        });
    };
    let has_label = |own: &OwnAddress| own.label.as_deref() == Some(name);
    if is_label && !found.addresses.iter().any(has_label) {
        return Err(InterfaceError::UnknownLabel {
            label: name.to_owned(),
            interface: found.name.clone(),
            known: found,
        });
    }
    Ok(found)
}

fn with_address(
    address: Ipv4Addr,
    candidates: Vec<Candidate>,
) -> Result<Candidate, InterfaceError> {
    let found = candidates.iter().find(|one| one.has(address)).cloned();
    found.ok_or(InterfaceError::UnknownAddress {
        address,
        known: candidates,
    })
}

fn only_usable(candidates: Vec<Candidate>) -> Result<Candidate, InterfaceError> {
    let usable = |one: &&Candidate| one.up && !one.loopback && !one.addresses.is_empty();
    let mut usable: Vec<Candidate> = candidates.iter().filter(usable).cloned().collect();
    match (usable.pop(), usable.is_empty()) {
        (None, _) => {
            let known = candidates.into_iter().filter(|c| !c.loopback).collect();
            Err(InterfaceError::NoneUsable { known })
        }
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            usable.push(last);
            Err(InterfaceError::Several { usable })
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn own(address: &str) -> OwnAddress {
        labelled_own(address, None)
    }

    fn labelled_own(address: &str, label: Option<&str>) -> OwnAddress {
        let address: Ipv4Addr = address.parse().unwrap();
        OwnAddress {
            address,
            network: Prefix::clamped(address, 24),
            label: label.map(str::to_owned),
        }
    }

    pub(crate) fn candidate(name: &str, addresses: &[&str]) -> Candidate {
        Candidate {
            name: name.to_owned(),
            index: 7,
            up: true,
            loopback: name == "lo",
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            addresses: addresses.iter().map(|address| own(address)).collect(),
            has_frames: true,
            mtu: 1500,
        }
    }

    fn loopback() -> Candidate {
        candidate("lo", &["127.0.0.1"])
    }

    fn by_name(name: &str) -> Wanted<'_> {
        Wanted {
            interface: Some(name),
            address: None,
        }
    }

    fn by_address(address: &str) -> Wanted<'static> {
        Wanted {
            interface: None,
            address: Some(address.parse().unwrap()),
        }
    }

    #[test]
    fn the_only_interface_with_an_address_is_chosen() {
        let candidates = vec![
            loopback(),
            candidate("wlan0", &[]),
            candidate("eth0", &["10.0.0.1"]),
        ];
        let chosen = choose(Wanted::default(), candidates).unwrap();
        assert_eq!(chosen.to_string(), "eth0 (10.0.0.1/24)");
    }

    #[test]
    fn several_interfaces_are_listed_with_the_option_that_selects_one() {
        let candidates = vec![
            loopback(),
            candidate("eth0", &["192.168.1.5", "10.9.0.1"]),
            candidate("eth1", &["10.0.0.1"]),
        ];
        assert_eq!(
            choose(Wanted::default(), candidates)
                .unwrap_err()
                .to_string(),
            "several interfaces could serve: eth0 (192.168.1.5/24, 10.9.0.1/24), eth1 (10.0.0.1/24); \
             name one, for example: --interface eth0"
        );
    }

    #[test]
    fn without_a_usable_interface_the_error_says_what_each_one_lacks() {
        let mut down = candidate("eth0", &["10.0.0.1"]);
        down.up = false;
        let all = vec![loopback(), down, candidate("eth1", &[])];
        let error = choose(Wanted::default(), all).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("eth0 (down), eth1 (no IPv4 address)"),
            "{error}"
        );
    }

    #[test]
    fn a_named_interface_is_chosen_or_the_error_says_what_it_lacks() {
        let mut down = candidate("eth1", &[]);
        down.up = false;
        let all = || vec![loopback(), candidate("eth0", &[]), down.clone()];
        assert_eq!(
            choose(by_name("lo"), all()).unwrap().first().address(),
            Ipv4Addr::LOCALHOST
        );
        let unknown = choose(by_name("eth7"), all()).unwrap_err().to_string();
        assert!(
            unknown.starts_with("there is no interface eth7; this machine has lo"),
            "{unknown}"
        );
        let no_address = choose(by_name("eth0"), all()).unwrap_err().to_string();
        assert!(no_address.contains("ip address add"), "{no_address}");
        let is_down = choose(by_name("eth1"), all()).unwrap_err().to_string();
        assert!(is_down.contains("ip link set eth1 up"), "{is_down}");
    }

    #[test]
    fn a_label_is_its_interface_with_that_address_first() {
        let mut eth0 = candidate("eth0", &["192.168.77.5"]);
        eth0.addresses
            .push(labelled_own("10.77.9.1", Some("eth0:1")));
        let all = || vec![loopback(), eth0.clone()];
        let alias = choose(by_name("eth0:1"), all()).unwrap();
        assert_eq!(alias.to_string(), "eth0 (10.77.9.1/24, 192.168.77.5/24)");
        let plain = choose(by_name("eth0"), all()).unwrap();
        assert_eq!(plain.first().to_string(), "192.168.77.5/24");
        let unknown = choose(by_name("eth0:2"), all()).unwrap_err().to_string();
        assert!(
            unknown.starts_with(
                "no address of eth0 has the label eth0:2; it has 192.168.77.5/24, 10.77.9.1/24 (eth0:1); "
            ),
            "{unknown}"
        );
    }

    #[test]
    fn an_address_names_its_interface_and_comes_first() {
        let all = || {
            vec![
                candidate("eth0", &["192.168.1.5", "10.9.0.1"]),
                candidate("eth1", &["10.0.0.1"]),
            ]
        };
        let chosen = choose(by_address("10.9.0.1"), all()).unwrap();
        assert_eq!(chosen.to_string(), "eth0 (10.9.0.1/24, 192.168.1.5/24)");
        let unknown = choose(by_address("10.5.5.5"), all()).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "10.5.5.5 is not an address of this machine, which has eth0 (192.168.1.5/24, 10.9.0.1/24), eth1 (10.0.0.1/24)"
        );
        let elsewhere = Wanted {
            interface: Some("eth1"),
            address: Some(Ipv4Addr::new(10, 9, 0, 1)),
        };
        let elsewhere = choose(elsewhere, all()).unwrap_err().to_string();
        assert!(
            elsewhere.starts_with("10.9.0.1 is not an address of eth1 (10.0.0.1/24); "),
            "{elsewhere}"
        );
    }

    #[test]
    fn a_peer_is_told_from_a_broadcast_address() {
        let network = |netmask: [u8; 4], other: Option<[u8; 4]>| {
            let listed = Listed {
                name: "eth0",
                address: Some(Ipv4Addr::new(10, 0, 0, 1)),
                netmask: Some(netmask.into()),
                other: other.map(Into::into),
            };
            own_address(&listed).unwrap().network.to_string()
        };
        let (all, some) = ([255; 4], [255, 255, 255, 0]);
        assert_eq!(network(some, Some([10, 0, 0, 255])), "10.0.0.1/24");
        assert_eq!(network(some, None), "10.0.0.1/24");
        assert_eq!(network(all, Some([10, 0, 0, 2])), "10.0.0.2/32");
        assert_eq!(network(all, Some([10, 0, 0, 1])), "10.0.0.1/32");
        assert_eq!(network(all, None), "10.0.0.1/32");
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
