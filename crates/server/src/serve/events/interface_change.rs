//! How a served interface changed.

use std::net::IpAddr;

use netroot_net::{Mac, Prefix};

/// What became of an interface that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InterfaceChange {
    /// It cannot be served now.
    Lost(Lack),
    /// It can be served again.
    Back {
        /// Its addresses.
        addresses: Vec<Prefix>,
    },
    /// It is served on as it is now.
    Differs(Differences),
}

/// Why an interface cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It does not exist.
    Gone,
    /// It is administratively down.
    Down,
    /// It has no IPv4 address.
    NoAddress,
    /// It does not have the address that `--address` names.
    NotTheAddress(IpAddr),
}

/// What is different about an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// The name that it had.
    pub(crate) renamed_from: Option<String>,
    /// It was deleted and made again.
    pub(crate) made_anew: bool,
    /// The addresses that it had.
    pub(crate) removed: Vec<Prefix>,
    /// The addresses that it did not have.
    pub(crate) added: Vec<Prefix>,
    /// Its new hardware address.
    pub(crate) mac: Option<Mac>,
    /// The longest IP packet that it carries now, in bytes.
    pub(crate) mtu: Option<u16>,
}

impl Differences {
    /// Whether there are none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
