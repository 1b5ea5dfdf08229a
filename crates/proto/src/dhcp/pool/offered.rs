//! Addresses that were offered and not requested yet.
//!
//! A DISCOVER proves nothing about its sender, so an offer costs nothing that lasts: it ends by itself, takes nothing
//! from a lease or from the former owner of an address, and gives way to a REQUEST. At most one for each machine and
//! each address.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

/// How long an address offered is kept for its machine. EDK2 collects offers for up to half a minute before it
/// requests one.
pub(super) const HOLD: Duration = Duration::from_secs(120);

/// An address kept for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    /// The machine.
    pub(super) mac: Mac,
    /// When it was offered last.
    pub(super) at: Duration,
}

/// The offers that have not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Offered {
    by_address: HashMap<Ipv4Addr, Offer>,
    by_mac: HashMap<Mac, Ipv4Addr>,
}

impl Offered {
    /// Keeps `address` for `mac`, and no other address for it.
    pub(super) fn put(&mut self, address: Ipv4Addr, mac: Mac, now: Duration) {
        self.withdraw(mac);
        self.clear(address);
        self.by_mac.insert(mac, address);
        self.by_address.insert(address, Offer { mac, at: now });
    }

    /// The offer of `address`.
    pub(super) fn of(&self, address: Ipv4Addr, now: Duration) -> Option<Offer> {
        let offer = self.by_address.get(&address).copied();
        offer.filter(|offer| now < offer.at.saturating_add(HOLD))
    }

    /// What was offered to `mac`.
    pub(super) fn to(&self, mac: Mac, now: Duration) -> Option<Ipv4Addr> {
        let address = *self.by_mac.get(&mac)?;
        self.of(address, now).map(|_| address)
    }

    /// Ends the offer of `address`.
    pub(super) fn clear(&mut self, address: Ipv4Addr) {
        if let Some(offer) = self.by_address.remove(&address) {
            self.by_mac.remove(&offer.mac);
        }
    }

    /// Ends the offer to `mac`.
    pub(super) fn withdraw(&mut self, mac: Mac) {
        if let Some(address) = self.by_mac.remove(&mac) {
            self.by_address.remove(&address);
        }
    }

    /// Every offer, ended ones included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, Mac)> {
        self.by_mac.iter().map(|(mac, address)| (*address, *mac))
    }
}
