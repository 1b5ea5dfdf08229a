//! Netlink: links, addresses and routes (`NETLINK_ROUTE`), and device events (`NETLINK_KOBJECT_UEVENT`).
//!
//! The messages are built and parsed by [`netroot_proto::netlink`] rather than by the rust-netlink crates because of their size. The
//! same five requests (list links, set a link up with an MTU, add an address, remove it, add a route) as a musl-static
//! program, with
//! this workspace's `init` profile, Rust 1.95, x86_64:
//!
//! | program | bytes |
//! |---|---|
//! | an empty `main` that prints a number | 377,400 |
//! | with this module | 397,880 |
//! | with netlink-packet-core 0.9, netlink-packet-route 0.34 and netlink-sys 0.9 | 901,688 |
//!
//! Half a megabyte more would be over half of the whole init, spent on enums of every attribute that a link can have.
//!
//! Provides a socket for each, and the few messages that a boot needs; nothing else of rtnetlink.

mod addresses;
mod link;
mod route;
mod route_lookup;
mod uevent;
mod virtual_link;

pub(crate) use addresses::LinkAddress;
pub(crate) use link::Link;
pub(crate) use route::{NetlinkError, RouteSocket};
pub(crate) use uevent::{Uevent, UeventSocket};
pub(crate) use virtual_link::{Attributes, NewLink, bond_data, bridge_data, vlan_data};
