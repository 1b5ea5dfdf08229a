//! Addresses, in the form in which every crate of netroot passes them on.
//!
//! * [`Mac`]: the hardware address of an Ethernet NIC.
//! * [`Prefix`]: an address with its prefix length, `10.0.0.7/24`; also a network.
//! * [`Route`]: a network and its next hop.
//! * [`ArpEntry`]: what the kernel's ARP table says of a neighbour.
//! * [`Host`] and [`Endpoint`]: a server by address or by name, and a port of it.
//!
//! Every type holds an [`IpAddr`](std::net::IpAddr), so that a protocol that is IPv4 only
//! (DHCPv4, ARP) is the one that says so, and not everything that uses what it learned.

#![forbid(unsafe_code)]

mod any;
mod arp_table;
mod host;
mod mac;
mod prefix;
mod route;

pub use any::unspecified;
pub use arp_table::ArpEntry;
pub use host::{Endpoint, Host};
pub use mac::{Mac, NotAMac};
pub use prefix::{NotAPrefix, Prefix, PrefixTooLong};
pub use route::Route;
