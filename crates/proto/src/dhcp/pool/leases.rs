//! The leases: one for each machine, and one machine for each address. A lease that has ended stays with its machine.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

/// The lease of an address, or the one that it had last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub address: Ipv4Addr,
    /// The machine that has it, or had it.
    pub mac: Mac,
    /// Until when, on the clock that every call passes as `now`. Past for a lease that has
    /// expired or was released.
    pub expires: Duration,
}

/// All leases, with those that have changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases {
    by_address: HashMap<Ipv4Addr, Lease>,
    by_mac: HashMap<Mac, Ipv4Addr>,
    /// Addresses whose lease is not as [`Leases::take_changes`] last told it.
    changed: HashSet<Ipv4Addr>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    mac: Mac,
    expires: Duration,
}

impl Leases {
    /// The address that a machine has, or had last.
    pub(super) fn of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).copied()
    }

    /// The machine that has an address, or had it last.
    pub(super) fn owner(&self, address: Ipv4Addr) -> Option<Mac> {
        self.by_address.get(&address).map(|lease| lease.mac)
    }

    /// The lease of an address, or its last one.
    pub(super) fn last(&self, address: Ipv4Addr) -> Option<Binding> {
        let Lease { mac, expires } = *self.by_address.get(&address)?;
        Some(Binding {
            address,
            mac,
            expires,
        })
    }

    /// Every lease, ended ones included.
    pub(super) fn all(&self) -> impl Iterator<Item = Binding> {
        self.by_address
            .keys()
            .filter_map(|address| self.last(*address))
    }

    /// The machine has this address, and no other one; nobody else has it.
    pub(super) fn bind(&mut self, binding: Binding) {
        let Binding {
            address,
            mac,
            expires,
        } = binding;
        if let Some(before) = self.by_mac.insert(mac, address)
            && before != address
        {
            self.by_address.remove(&before);
            self.changed.insert(before);
        }
        let replaced = self.by_address.insert(address, Lease { mac, expires });
        if let Some(loser) = replaced
            .map(|lease| lease.mac)
            .filter(|loser| *loser != mac)
        {
            self.by_mac.remove(&loser);
        }
        self.changed.insert(address);
    }

    /// The lease of an address ends now, if it has not.
    pub(super) fn end(&mut self, address: Ipv4Addr, now: Duration) {
        let lease = self.by_address.get_mut(&address);
        if let Some(lease) = lease.filter(|lease| lease.expires > now) {
            lease.expires = now;
            self.changed.insert(address);
        }
    }

    /// The addresses whose lease has changed since the last call, each with the one that it has now.
    pub(super) fn take_changes(&mut self) -> Vec<(Ipv4Addr, Option<Binding>)> {
        let changed: Vec<Ipv4Addr> = self.changed.drain().collect();
        let told = changed.into_iter();
        told.map(|address| (address, self.last(address))).collect()
    }

    /// They are all as somebody has them already.
    pub(super) fn forget_changes(&mut self) {
        self.changed.clear();
    }
}
