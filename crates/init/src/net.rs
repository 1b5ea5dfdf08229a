//! The network: interfaces, their addresses, and what is learned with an address.
//!
//! ```text
//! netlink, udev_names ← link, virtual_links → Nic     addressing, dhcp, lease → Address → configure     resolve, time_server
//! ```

pub(crate) mod address;
pub(crate) mod addressing;
pub(crate) mod arp;
pub(crate) mod by_index;
pub(crate) mod configure;
pub(crate) mod dhcp;
pub(crate) mod http;
pub(crate) mod lease;
pub(crate) mod lease_exchange;
pub(crate) mod link;
pub(crate) mod netlink;
pub(crate) mod next_hop;
pub(crate) mod nic;
pub(crate) mod resolve;
pub(crate) mod time_server;
pub(crate) mod udev_names;
pub(crate) mod virtual_links;
