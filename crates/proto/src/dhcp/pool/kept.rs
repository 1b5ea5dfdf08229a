//! Addresses that are kept for one machine each, whether or not it has them.
//!
//! A machine is known here by its hardware addresses: those of its entry in the configuration, and the one by which it
//! asked last after it was known by something else, such as its UUID ([`super::Pool::claim`]). A machine that is
//! configured without any hardware address is known after a restart by the lease that it has of its address.
//!
//! Nobody loses an address that it has: another machine that got it before it was kept may renew its lease, and gets
//! another one when it boots next; so does the machine for which it is kept.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use netroot_net::Mac;

/// An address, and the machine for which it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The address.
    pub address: Ipv4Addr,
    /// The machine's hardware addresses; empty where it is known by something else.
    pub macs: Vec<Mac>,
}

/// The addresses that are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptAddresses {
    by_address: HashMap<Ipv4Addr, Owner>,
    by_mac: HashMap<Mac, Ipv4Addr>,
}

#[derive(Debug, Clone)]
struct Owner {
    macs: Vec<Mac>,
    /// By which it asked last, if it is not one of those.
    claimed: Option<Mac>,
}

impl KeptAddresses {
    /// Keeps these, and no others. `holder` is the machine whose lease an address has.
    pub(super) fn set(&mut self, kept: &[Kept], holder: impl Fn(Ipv4Addr) -> Option<Mac>) {
        let before = std::mem::take(self);
        for Kept { address, macs } in kept {
            let claimed = before.by_address.get(address);
            let claimed = claimed.and_then(|owner| owner.claimed);
            // Before anybody asks: who got it was that machine, or had it before it was kept.
            let claimed = claimed.or_else(|| holder(*address).filter(|_| macs.is_empty()));
            self.by_mac.extend(macs.iter().map(|mac| (*mac, *address)));
            let owner = Owner {
                macs: macs.clone(),
                claimed: None,
            };
            self.by_address.insert(*address, owner);
            if let Some(mac) = claimed.filter(|mac| !self.by_mac.contains_key(mac)) {
                self.claim(mac, Some(*address));
            }
        }
    }

    /// The machine that asks by `mac` is the one for which `address` is kept; `None`: no address is kept for it.
    pub(super) fn claim(&mut self, mac: Mac, address: Option<Ipv4Addr>) {
        let known = self.by_mac.get(&mac).copied();
        if known == address {
            return;
        }
        let Some(address) = address else {
            // One that is known by something else may have said only its hardware address this time.
            let stays = |owner: &Owner| owner.macs.is_empty() || owner.macs.contains(&mac);
            let owner = known.and_then(|address| self.by_address.get_mut(&address));
            if let Some(owner) = owner.filter(|owner| !stays(owner)) {
                owner.claimed = None;
                self.by_mac.remove(&mac);
            }
            return;
        };
        let Some(owner) = self.by_address.get_mut(&address) else {
            return;
        };
        if let Some(before) = owner.claimed.replace(mac) {
            self.by_mac.remove(&before);
        }
        if let Some(known) = self.by_mac.insert(mac, address)
            && let Some(owner) = self.by_address.get_mut(&known)
        {
            owner.claimed = owner.claimed.filter(|claimed| *claimed != mac);
        }
    }

    /// The address that is kept for the machine.
    pub(super) fn of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).copied()
    }

    /// Whether the address is kept for some machine.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Whether the address is kept for another machine.
    pub(super) fn is_anothers(&self, address: Ipv4Addr, mac: Mac) -> bool {
        self.contains(address) && self.of(mac) != Some(address)
    }
}
