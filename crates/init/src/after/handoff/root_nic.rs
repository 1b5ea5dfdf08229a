//! The interface that the root is reached through.

use std::path::Path;

use crate::net::address::Address;

/// The interface and its configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct RootNic<'a> {
    pub(super) address: &'a Address,
    /// It is a network card. Bonds, bridges and VLANs are not: they share their Ethernet address with cards.
    pub(super) is_card: bool,
}

impl<'a> RootNic<'a> {
    /// The interface that has this address.
    pub(super) fn of(address: &'a Address) -> Self {
        let device = format!("/sys/class/net/{}/device", address.nic.name);
        Self {
            address,
            is_card: Path::new(&device).exists(),
        }
    }
}
