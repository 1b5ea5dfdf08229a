//! Which interface is served, and by which of its addresses machines know the server.

use std::net::Ipv4Addr;

use super::candidate::Candidate;
use super::error::InterfaceError;
use super::own_address::OwnAddress;
use super::served::Interface;

/// What is asked for. A label names its interface and its address.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// The interface, or the label of one of its addresses (`eth0:1`).
    pub(crate) interface: Option<&'a str>,
    /// The address by which machines know the server.
    pub(crate) address: Option<Ipv4Addr>,
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
mod tests {
    use super::super::candidate::tests::{candidate, labelled_own};
    use super::*;

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
