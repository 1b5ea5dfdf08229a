//! A network interface as the rest of the boot sees it.

use netroot_net::Mac;

/// A NIC that frames can be sent through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nic {
    /// The interface's index.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its Ethernet address.
    pub(crate) mac: Mac,
    /// Whether it has a carrier.
    pub(crate) carrier: bool,
    /// Whether the kernel surely sends what it is given: see `Link::running` of [`crate::net::netlink`].
    pub(crate) running: bool,
    /// The largest packet in bytes.
    pub(crate) mtu: u32,
}
