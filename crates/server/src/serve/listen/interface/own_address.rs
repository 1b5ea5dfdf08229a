//! One address of an interface, and which of several comes first.

use std::fmt;
use std::net::Ipv4Addr;

use netroot_net::Prefix;

/// An address as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnAddress {
    /// The address.
    pub(super) address: Ipv4Addr,
    /// Its network: of the address, or on a point-to-point link of the peer.
    pub(super) network: Prefix,
    /// The label of an alias, such as `eth0:1`.
    pub(super) label: Option<String>,
    /// The number by which the program that set it marked it (`IFA_PROTO`, Linux 5.18).
    pub(super) setter: Option<u8>,
}

/// What machines are more likely to reach comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// An address in a network.
    Network,
    /// One end of a point-to-point link.
    Peer,
    /// Alone: a virtual address (`/32`), which nobody has a route to by itself.
    Alone,
    /// Assigned for want of another one (RFC 3927), or of this machine only.
    LinkLocal,
}

impl OwnAddress {
    /// The address with the length of its prefix.
    pub(super) fn prefix(&self) -> Prefix {
        Prefix::clamped(self.address, self.network.length())
    }

    fn has_peer(&self) -> bool {
        self.network != self.prefix()
    }

    fn rank(&self) -> Rank {
        if self.address.is_link_local() || self.address.is_loopback() {
            Rank::LinkLocal
        } else if self.has_peer() {
            Rank::Peer
        } else if self.network.length() == 32 {
            Rank::Alone
        } else {
            Rank::Network
        }
    }
}

impl fmt::Display for OwnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has_peer() {
            true => write!(f, "{} peer {}", self.address, self.network),
            false => self.prefix().fmt(f),
        }
    }
}

/// In the order in which they are tried: those that `is_wanted` picks, then by their kind. Otherwise the kernel's order
/// stays, in which those with a greater scope, and of one network the primary one, are before the others.
pub(super) fn sort(addresses: &mut [OwnAddress], is_wanted: impl Fn(&OwnAddress) -> bool) {
    addresses.sort_by_key(|own| (!is_wanted(own), own.rank()));
}

/// `10.0.0.1/24, 10.1.0.1/16`.
pub(super) fn listed(addresses: &[OwnAddress]) -> String {
    let listed: Vec<String> = addresses.iter().map(OwnAddress::to_string).collect();
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(address: &str, network: &str) -> OwnAddress {
        OwnAddress {
            address: address.parse().unwrap(),
            network: network.parse().unwrap(),
            label: None,
            setter: None,
        }
    }

    #[test]
    fn an_address_in_a_network_is_before_those_that_hardly_anybody_can_reach() {
        let mut all = [
            own("169.254.7.7", "169.254.7.7/16"),
            own("10.9.9.9", "10.9.9.9/32"),
            own("10.8.0.1", "10.8.0.2/32"),
            own("10.0.0.1", "10.0.0.1/24"),
            own("10.0.0.2", "10.0.0.2/24"),
        ];
        sort(&mut all, |_| false);
        assert_eq!(
            listed(&all),
            "10.0.0.1/24, 10.0.0.2/24, 10.8.0.1 peer 10.8.0.2/32, 10.9.9.9/32, 169.254.7.7/16"
        );
        sort(&mut all, |own| own.address == Ipv4Addr::new(10, 9, 9, 9));
        assert_eq!(all[0].address, Ipv4Addr::new(10, 9, 9, 9));
    }
}
