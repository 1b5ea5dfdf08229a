//! Why the ranges that are configured cannot be used.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;
use netroot_proto::dhcp::pool::RangeError;

use crate::serve::listen::leases::OpenError;

/// Why a range cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DhcpRoleError {
    /// It is invalid in itself.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// It is in another network.
    #[error(
        "the range {first}-{last} is in none of {interface}'s networks ({networks}): choose addresses there, or give \
         {interface} an address in the range's network; if it is for machines behind a relay, give the length of their \
         network's prefix: --dhcp {first}-{last}/24"
    )]
    Elsewhere {
        /// The range's first address.
        first: Ipv4Addr,
        /// Its last.
        last: Ipv4Addr,
        /// The interface.
        interface: String,
        /// The interface's networks.
        networks: String,
    },
    /// Its prefix is not that of the interface's network.
    #[error(
        "the range {first}-{last} is in {interface}'s network {network}, whose prefix has {} bits, not {length}; leave \
         /{length} out",
        network.length()
    )]
    PrefixLength {
        /// The range's first address.
        first: Ipv4Addr,
        /// Its last.
        last: Ipv4Addr,
        /// As given.
        length: u8,
        /// The interface.
        interface: String,
        /// Its network.
        network: Prefix,
    },
    /// Machines in one would have neighbours in the other.
    #[error(
        "the networks of the ranges overlap: {one} and {other}; give all of one network the same prefix length"
    )]
    Overlap {
        /// The network of a range.
        one: Prefix,
        /// That of another one.
        other: Prefix,
    },
    /// Machines could not reach the router.
    #[error("the router {router} is in no network with a range ({networks})")]
    Router {
        /// As given.
        router: IpAddr,
        /// The networks of the ranges.
        networks: String,
    },
    /// An isolated network is to be another one than the interface's.
    #[error(
        "{interface} is not in the network {subnet} (--isolated {interface}={subnet}), but has an address of its own ({networks}); \
         leave ={subnet} out to serve that, or remove the address: ip address flush dev {interface}"
    )]
    NotIsolated {
        /// The interface.
        interface: String,
        /// As configured.
        subnet: Prefix,
        /// The interface's networks.
        networks: String,
    },
    /// The file of leases must be left alone.
    #[error(transparent)]
    Leases(#[from] OpenError),
}
