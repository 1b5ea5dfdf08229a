//! Why no interface can be served: what is there instead, and what to do.

use std::net::Ipv4Addr;

use super::candidate::Candidate;
use super::own_address::OwnAddress;

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
