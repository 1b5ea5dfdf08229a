//! The kernel's news and orders: links, addresses, routes (`NETLINK_ROUTE`), devices (`NETLINK_KOBJECT_UEVENT`).
//!
//! The messages are built and read by [`message`] and not by the rust-netlink crates, because of their size. The
//! same five requests (list links, link up with an MTU, address, remove it, route) as a musl-static program, with
//! this workspace's `init` profile, Rust 1.95, x86_64:
//!
//! | program | bytes |
//! |---|---|
//! | an empty `main` that prints a number | 377,400 |
//! | with this module | 397,880 |
//! | with netlink-packet-core 0.9, netlink-packet-route 0.34 and netlink-sys 0.9 | 901,688 |
//!
//! Half a megabyte more would be over half of the whole init, for enums of every attribute that a link can have.
//!
//! Owns: one socket each, and the few messages that a boot needs. Refuses: everything else of rtnetlink.

mod addresses;
mod link;
mod made;
mod message;
mod reach;
mod route;
mod uevent;

pub(crate) use addresses::LinkAddress;
pub(crate) use link::Link;
pub(crate) use made::{Attributes, Making, bond_data, bridge_data, vlan_data};
pub(crate) use route::{NetlinkError, RouteSocket};
pub(crate) use uevent::{Uevent, UeventSocket};
