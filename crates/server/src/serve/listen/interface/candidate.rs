//! The interfaces of this machine, and which one is served.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_net::{Mac, Prefix};

use super::device::Device;
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
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) up: bool,
    pub(super) loopback: bool,
    pub(super) mac: Option<Mac>,
    pub(super) addresses: Vec<OwnAddress>,
    pub(super) has_frames: bool,
    pub(super) mtu: u16,
    /// Whether a cable with something live at the other end is plugged in.
    pub(super) carrier: bool,
    /// The index of the bridge or bond that it is a port of.
    pub(super) controller: Option<u32>,
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
        known: Box<Candidate>,
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
        chosen: Box<Candidate>,
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

/// The interface that is wanted, or else the only one that could serve. Its first address is the one that is wanted, or
/// else the one that most machines can reach.
pub(crate) fn choose(
    wanted: Wanted<'_>,
    candidates: Vec<Candidate>,
) -> Result<Interface, InterfaceError> {
    let chosen = match (wanted.interface, wanted.address) {
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
        let chosen = Box::new(chosen);
        return Err(InterfaceError::AddressElsewhere { address, chosen });
    }
    Ok(chosen.into_interface(|own| match wanted.address {
        Some(address) => own.address == address,
        None => own.label.is_some() && own.label.as_deref() == wanted.interface,
    }))
}

impl Candidate {
    /// Whether an address is one of its own.
    pub(crate) fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }

    /// The same once it has this address, too, and is up: as an isolated network.
    pub(crate) fn with_address(mut self, address: Ipv4Addr, length: u8) -> Self {
        self.up = true;
        if !self.has(address) {
            self.addresses.push(OwnAddress {
                address,
                network: Prefix::clamped(address, length),
                label: None,
                setter: None,
            });
        }
        self
    }

    /// The kernel's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's index.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Whether it is administratively up.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether it is this machine's loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether a cable with something live at the other end is plugged in.
    pub(crate) fn has_carrier(&self) -> bool {
        self.carrier
    }

    /// The index of the bridge or bond that it is a port of.
    pub(crate) fn controller(&self) -> Option<u32> {
        self.controller
    }

    /// Its networks, those of link-local addresses aside, each with the own address there.
    pub(crate) fn networks(&self) -> impl Iterator<Item = Prefix> {
        let own = self.addresses.iter();
        own.filter(|own| !own.address.is_link_local())
            .map(|own| own.network)
    }

    /// The addresses that were set with this label, or with this number as who set them (`IFA_PROTO`).
    pub(crate) fn set_by(&self, label: &str, setter: u8) -> impl Iterator<Item = Prefix> {
        let ours = move |own: &&OwnAddress| match own.setter.filter(|setter| *setter != 0) {
            Some(by) => by == setter,
            None => own.label.as_deref() == Some(label),
        };
        self.addresses.iter().filter(ours).map(OwnAddress::prefix)
    }

    /// Whether it has an address in a network.
    pub(crate) fn is_in(&self, network: Prefix) -> bool {
        self.addresses
            .iter()
            .any(|own| network.contains(own.address))
    }

    /// As its sockets need it.
    pub(crate) fn device(&self) -> Device<'_> {
        Device {
            name: &self.name,
            index: self.index,
            has_arp: self.has_frames && self.mac().is_unicast(),
        }
    }

    fn mac(&self) -> Mac {
        self.mac.unwrap_or(Mac([0; 6]))
    }

    /// To be served. The address that is wanted comes first.
    pub(super) fn into_interface(self, is_wanted: impl Fn(&OwnAddress) -> bool) -> Interface {
        let mac = self.mac();
        let mut addresses = self.addresses;
        own_address::sort(&mut addresses, is_wanted);
        Interface {
            name: self.name,
            index: self.index,
            mac,
            addresses,
            has_frames: self.has_frames,
            mtu: self.mtu,
        }
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
            known: Box::new(found),
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
            setter: None,
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
            carrier: true,
            controller: None,
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
}
