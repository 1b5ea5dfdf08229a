//! What becomes of a served interface when the kernel's interfaces change. Pure.

use std::net::Ipv4Addr;

use netroot_net::Prefix;

use super::candidate::Candidate;
use super::own_address::OwnAddress;
use super::{Interface, Wanted};
use crate::serve::events::{Differences, InterfaceChange, Lack};

/// A served interface, whatever happens to it: the same one under a new name, or another one with its name.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    name: String,
    index: u32,
    /// The label of the address that comes first.
    label: Option<String>,
    /// The address that comes first, and without which it is not served.
    address: Option<Ipv4Addr>,
    /// An address of the machines there, whose network comes first.
    machine: Option<Ipv4Addr>,
}

/// An interface as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It can be served.
    Served(Interface),
    /// It cannot.
    Missing(Lack),
}

impl Followed {
    /// `interface`, which was chosen by what was wanted.
    pub(crate) fn new(wanted: Wanted<'_>, interface: &Interface) -> Self {
        let label = wanted.interface.filter(|name| name.contains(':'));
        Self {
            name: interface.name.clone(),
            index: interface.index,
            label: label.map(str::to_owned),
            address: wanted.address,
            machine: None,
        }
    }

    /// Its address in the network of `machine` comes first ([`Interface::known_to`]).
    pub(crate) fn known_to(&mut self, machine: Ipv4Addr) {
        self.machine = Some(machine);
    }

    /// Its name, the last that it had.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Finds it among all interfaces.
    pub(crate) fn find<'a>(&mut self, candidates: &'a [Candidate]) -> Option<&'a Candidate> {
        let same = candidates.iter().find(|one| one.index == self.index);
        let named = || candidates.iter().find(|one| one.name == self.name);
        let found = same.or_else(named);
        // The kernel may give an index again that was somebody's.
        self.index = found.map_or(0, |found| found.index);
        if let Some(found) = found {
            self.name.clone_from(&found.name);
        }
        found
    }

    /// As it is among all interfaces.
    pub(crate) fn look(&mut self, candidates: &[Candidate]) -> Presence {
        let Some(found) = self.find(candidates) else {
            return Presence::Missing(Lack::Gone);
        };
        if !found.up {
            return Presence::Missing(Lack::Down);
        }
        if found.addresses.is_empty() {
            return Presence::Missing(Lack::NoAddress);
        }
        if let Some(address) = self.address.filter(|address| !found.has(*address)) {
            return Presence::Missing(Lack::NotTheAddress(address.into()));
        }
        let interface = found.clone().into_interface(|own: &OwnAddress| {
            self.address == Some(own.address) || (own.label.is_some() && own.label == self.label)
        });
        Presence::Served(match self.machine {
            Some(machine) => interface.known_to(machine),
            None => interface,
        })
    }
}

impl Presence {
    /// The interface, if it can be served.
    pub(crate) fn served(&self) -> Option<&Interface> {
        match self {
            Self::Served(interface) => Some(interface),
            Self::Missing(_) => None,
        }
    }
}

/// What is to be told of a change; `None` if nothing is. That it cannot be served for another reason than before is
/// nothing: an interface is made in steps.
pub(crate) fn change(before: &Presence, now: &Presence) -> Option<InterfaceChange> {
    match (before, now) {
        (Presence::Missing(_), Presence::Missing(_)) => None,
        (Presence::Served(_), Presence::Missing(lack)) => Some(InterfaceChange::Lost(*lack)),
        (Presence::Missing(_), Presence::Served(interface)) => Some(back(interface)),
        (Presence::Served(before), Presence::Served(now)) => {
            let differences = differences(before, now);
            (!differences.is_none()).then_some(InterfaceChange::Differs(differences))
        }
    }
}

fn differences(before: &Interface, now: &Interface) -> Differences {
    let (had, has) = (prefixes(before), prefixes(now));
    let missing = |from: &[Prefix], of: &[Prefix]| {
        let missing = of.iter().filter(|one| !from.contains(one));
        missing.copied().collect::<Vec<_>>()
    };
    Differences {
        renamed_from: (before.name != now.name).then(|| before.name.clone()),
        made_anew: before.index != now.index,
        removed: missing(&has, &had),
        added: missing(&had, &has),
        mac: (before.mac != now.mac).then_some(now.mac),
        mtu: (before.mtu != now.mtu).then_some(now.mtu),
    }
}

/// That it can be served again.
pub(crate) fn back(interface: &Interface) -> InterfaceChange {
    InterfaceChange::Back {
        addresses: prefixes(interface),
    }
}

fn prefixes(interface: &Interface) -> Vec<Prefix> {
    interface.addresses.iter().map(OwnAddress::prefix).collect()
}

#[cfg(test)]
mod tests {
    use netroot_net::Mac;

    use super::super::candidate::tests::candidate;
    use super::super::choose;
    use super::*;

    fn with_index(name: &str, index: u32, addresses: &[&str]) -> Candidate {
        Candidate {
            index,
            ..candidate(name, addresses)
        }
    }

    fn followed() -> (Followed, Presence) {
        let interface = choose(
            Wanted::default(),
            vec![with_index("eth0", 7, &["10.0.0.1"])],
        );
        let interface = interface.unwrap();
        let followed = Followed::new(Wanted::default(), &interface);
        (followed, Presence::Served(interface))
    }

    /// What is told after `eth0` (10.0.0.1) has become these, one after the other.
    fn told(steps: &[Vec<Candidate>]) -> Vec<String> {
        let (mut followed, mut before) = followed();
        let mut told = Vec::new();
        for candidates in steps {
            let now = followed.look(candidates);
            let change = change(&before, &now);
            told.extend(change.map(|change| format!("{}{change}", followed.name())));
            before = now;
        }
        told
    }

    #[test]
    fn addresses_come_and_go() {
        let eth0 = |addresses: &[&str]| vec![with_index("eth0", 7, addresses)];
        assert_eq!(
            told(&[
                eth0(&["10.0.0.1"]),
                eth0(&["10.0.0.2"]),
                eth0(&["10.0.0.2", "10.1.0.1"]),
                eth0(&["10.1.0.1"]),
            ]),
            [
                "eth0: address 10.0.0.1/24 became 10.0.0.2/24: serving there now",
                "eth0: address 10.1.0.1/24 added: serving there now",
                "eth0: address 10.0.0.2/24 removed: not serving there any more",
            ]
        );
    }

    #[test]
    fn an_interface_that_is_made_again_in_steps_is_told_twice() {
        let mut down = with_index("eth0", 9, &[]);
        down.up = false;
        let back = || vec![with_index("eth0", 9, &["10.0.0.1"])];
        let steps = [
            vec![with_index("eth1", 8, &["10.0.0.1"])],
            vec![down],
            vec![with_index("eth0", 9, &[])],
            back(),
        ];
        assert_eq!(
            told(&steps),
            [
                "eth0 is gone: not serving there until it is back",
                "eth0 is back: serving 10.0.0.1/24"
            ]
        );
        assert_eq!(
            told(&[back()]),
            ["eth0: it was deleted and made again: serving on"]
        );
    }

    #[test]
    fn an_interface_is_followed_under_a_new_name_and_its_old_name_is_anothers() {
        let renamed = vec![
            with_index("eth0", 8, &["192.168.1.1"]),
            with_index("lan0", 7, &["10.0.0.1"]),
        ];
        let gone = vec![with_index("eth0", 8, &["192.168.1.1"])];
        assert_eq!(
            told(&[renamed, gone]),
            [
                "lan0: it was eth0 before: serving on",
                "lan0 is gone: not serving there until it is back",
            ]
        );
    }

    #[test]
    fn mac_and_mtu_are_told() {
        let changed = Candidate {
            mac: Some(Mac([2, 0, 0, 0, 0, 9])),
            mtu: 9000,
            ..with_index("eth0", 7, &["10.0.0.1"])
        };
        assert_eq!(
            told(&[vec![changed]]),
            ["eth0: its MAC address is 02:00:00:00:00:09, its MTU is 9000: serving on"]
        );
    }

    #[test]
    fn an_address_that_was_asked_for_is_waited_for() {
        let wanted = Wanted {
            address: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ..Wanted::default()
        };
        let interface = choose(wanted, vec![candidate("eth0", &["10.0.0.1"])]).unwrap();
        let mut followed = Followed::new(wanted, &interface);
        let now = followed.look(&[candidate("eth0", &["10.0.0.2"])]);
        let lack = Lack::NotTheAddress(Ipv4Addr::new(10, 0, 0, 1).into());
        assert_eq!(now, Presence::Missing(lack));
        let Presence::Served(both) = followed.look(&[candidate("eth0", &["10.0.0.2", "10.0.0.1"])])
        else {
            panic!()
        };
        assert_eq!(both.first().address(), Ipv4Addr::new(10, 0, 0, 1));
    }
}
