//! The address types that all crates of netroot share.
//!
//! * [`Mac`]: the hardware address of an Ethernet NIC; [`MacPrefix`]: the first octets of some.
//! * [`Uuid`]: a machine's UUID.
//! * [`PciId`]: the vendor and the model of a PCI device, such as a NIC.
//! * [`Prefix`]: an address with its prefix length, `10.0.0.7/24`; also a network.
//! * [`Route`]: a network and its next hop.
//! * [`ArpEntry`]: a neighbour's entry in the kernel's ARP table.
//! * [`Host`] and [`Endpoint`]: a server by address or by name, and with a port.
//!
//! Every type holds an [`IpAddr`](std::net::IpAddr): only the protocols that are limited to IPv4
//! (DHCPv4, ARP) use `Ipv4Addr`, not the code that uses their results.

#![forbid(unsafe_code)]

mod arp_table;
mod host;
mod mac;
mod pci_id;
mod prefix;
mod route;
mod unspecified;
mod uuid;

pub use arp_table::ArpEntry;
pub use host::{Endpoint, Host};
pub use mac::{Mac, MacPrefix, NotAMac, NotAMacPrefix};
pub use pci_id::{NotAPciId, PciId};
pub use prefix::{NotAPrefix, Prefix, PrefixTooLong};
pub use route::Route;
pub use unspecified::unspecified;
pub use uuid::{NotAUuid, Uuid};
