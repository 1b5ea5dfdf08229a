//! The kernel's news and orders: links, addresses, routes (`NETLINK_ROUTE`), devices (`NETLINK_KOBJECT_UEVENT`).
//!
//! Owns: one socket each, and the few messages that a boot needs. Refuses: everything else of rtnetlink.

mod message;
mod route;
mod uevent;

pub(crate) use route::{Link, NetlinkError, RouteSocket};
pub(crate) use uevent::{Uevent, UeventSocket};
