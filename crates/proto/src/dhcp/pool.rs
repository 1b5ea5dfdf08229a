//! Which machine has which address, and until when.
//!
//! A machine is its MAC: firmware, boot loader and operating system send three different
//! client identifiers (61) and no or different UUIDs (97), and must get one lease, or a
//! small range is used up by half as many machines as it has addresses.
//!
//! The first choice for a machine follows from a hash of its MAC, so a server that lost its
//! leases assigns the same addresses again. An expired address stays with its machine until
//! another one needs it. Memory is bounded by the range.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use thiserror::Error;

use netroot_net::Mac;

/// Most addresses that one range may have: a /16.
pub const LARGEST_RANGE: u32 = 65536;
/// How long an address offered is kept for its machine. EDK2 collects offers for up to
/// half a minute before it asks for one.
const OFFER_HOLD: Duration = Duration::from_secs(120);
/// How long an address stays out of use after a machine found it taken.
const DECLINE_HOLD: Duration = Duration::from_secs(600);

/// The addresses that a server assigns.
#[derive(Debug, Clone)]
pub struct Pool {
    first: u32,
    count: u32,
    by_address: HashMap<Ipv4Addr, Binding>,
    by_mac: HashMap<Mac, Ipv4Addr>,
    reserved: HashMap<Mac, Ipv4Addr>,
    excluded: Vec<Ipv4Addr>,
    /// Addresses whose binding is not as [`Pool::take_changes`] last told it.
    changed: HashSet<Ipv4Addr>,
}

/// One address and its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The address.
    pub address: Ipv4Addr,
    /// The machine that has it; `None` for a declined address.
    pub mac: Option<Mac>,
    /// Until when, on the clock that every call passes as `now`.
    pub expires: Duration,
    /// True once the machine has taken it; an offer alone is held for two minutes.
    pub taken: bool,
}

/// Why a range is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RangeError {
    /// The end comes before the start.
    #[error("the range {first}-{last} ends before it starts")]
    Reversed {
        /// As given.
        first: Ipv4Addr,
        /// As given.
        last: Ipv4Addr,
    },
    /// More addresses than this server keeps in memory.
    #[error("the range {first}-{last} has {count} addresses; {LARGEST_RANGE} is the most")]
    TooLarge {
        /// As given.
        first: Ipv4Addr,
        /// As given.
        last: Ipv4Addr,
        /// How many addresses it has.
        count: u64,
    },
}

/// Why a machine does not get the address that it requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The address is not in the range.
    OutOfRange,
    /// Another machine has it, or it was declined.
    InUse,
    /// This machine has another one.
    HasAnother(Ipv4Addr),
}

impl Pool {
    /// The range from `first` to `last`, both included, without the addresses in
    /// `excluded`: the server's own, the routers', the network's and its broadcast address.
    pub fn new(
        first: Ipv4Addr,
        last: Ipv4Addr,
        excluded: Vec<Ipv4Addr>,
    ) -> Result<Pool, RangeError> {
        let (low, high) = (first.to_bits(), last.to_bits());
        if high < low {
            return Err(RangeError::Reversed { first, last });
        }
        let count = u64::from(high - low) + 1;
        match u32::try_from(count) {
            Ok(count) if count <= LARGEST_RANGE => Ok(Pool {
                first: low,
                count,
                by_address: HashMap::new(),
                by_mac: HashMap::new(),
                reserved: HashMap::new(),
                excluded,
                changed: HashSet::new(),
            }),
            _ => Err(RangeError::TooLarge { first, last, count }),
        }
    }

    /// Keeps `address` for `mac`, always. It may lie outside the range.
    pub fn reserve(&mut self, mac: Mac, address: Ipv4Addr) {
        self.reserved.insert(mac, address);
    }

    /// Finds an address for a DISCOVER and holds it for two minutes. `None` if
    /// every address is in use.
    ///
    /// The order is that of RFC 2131 §4.3.1: the machine's own address, the one that it
    /// had, the one that it requests, any other.
    pub fn offer(
        &mut self,
        mac: Mac,
        requested: Option<Ipv4Addr>,
        now: Duration,
    ) -> Option<Ipv4Addr> {
        let address = self.choose(mac, requested, now)?;
        let binding = self.by_address.get(&address).copied();
        let taken = binding.is_some_and(|b| b.mac == Some(mac) && b.taken && b.expires > now);
        if !taken {
            self.bind(Binding {
                address,
                mac: Some(mac),
                expires: now + OFFER_HOLD,
                taken: false,
            });
        }
        Some(address)
    }

    fn choose(&self, mac: Mac, requested: Option<Ipv4Addr>, now: Duration) -> Option<Ipv4Addr> {
        if let Some(reserved) = self.reserved.get(&mac) {
            return Some(*reserved);
        }
        let own = self.by_mac.get(&mac).copied();
        if let Some(own) = own.filter(|own| self.may_have(mac, *own, now)) {
            return Some(own);
        }
        if let Some(requested) = requested.filter(|requested| self.may_have(mac, *requested, now)) {
            return Some(requested);
        }
        // First an address that no machine ever had; then the one that expired first.
        let start = hash(mac) % self.count;
        let mut oldest: Option<Binding> = None;
        for step in 0..self.count {
            let address = Ipv4Addr::from_bits(self.first + (start + step) % self.count);
            if !self.may_have(mac, address, now) {
                continue;
            }
            match self.by_address.get(&address) {
                None => return Some(address),
                Some(used) if oldest.is_none_or(|known| used.expires < known.expires) => {
                    oldest = Some(*used)
                }
                Some(_) => {}
            }
        }
        oldest.map(|binding| binding.address)
    }

    /// Grants `address` to a machine that asks for it, for `time`.
    pub fn take(
        &mut self,
        mac: Mac,
        address: Ipv4Addr,
        time: Duration,
        now: Duration,
    ) -> Result<(), Denial> {
        if let Some(reserved) = self.reserved.get(&mac) {
            if *reserved != address {
                return Err(Denial::HasAnother(*reserved));
            }
        } else {
            if !self.covers(address) {
                return Err(Denial::OutOfRange);
            }
            if !self.may_have(mac, address, now) {
                return Err(Denial::InUse);
            }
            let own = self.by_mac.get(&mac).copied().filter(|own| *own != address);
            if let Some(own) = own.filter(|own| self.is_live(*own, now)) {
                return Err(Denial::HasAnother(own));
            }
        }
        self.bind(Binding {
            address,
            mac: Some(mac),
            expires: now + time,
            taken: true,
        });
        Ok(())
    }

    /// A machine found its address in use: it is not assigned for ten minutes. False if the
    /// address is not that machine's, so that no client can empty the range.
    pub fn decline(&mut self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        if self.by_mac.get(&mac) != Some(&address) {
            return false;
        }
        self.by_mac.remove(&mac);
        let expires = now + DECLINE_HOLD;
        self.changed.insert(address);
        self.by_address.insert(
            address,
            Binding {
                address,
                mac: None,
                expires,
                taken: true,
            },
        );
        true
    }

    /// A machine has chosen another server's offer: its held address is free again. A lease
    /// that it took is kept, since anybody can send such a message in its name.
    pub fn withdraw_offer(&mut self, mac: Mac) {
        if let Some(address) = self.by_mac.get(&mac).copied()
            && self
                .by_address
                .get(&address)
                .is_some_and(|binding| !binding.taken)
        {
            self.by_mac.remove(&mac);
            self.by_address.remove(&address);
            self.changed.insert(address);
        }
    }

    /// A machine releases its address. It gets the same one next time, unless another machine
    /// needed it.
    pub fn release(&mut self, mac: Mac, now: Duration) -> Option<Ipv4Addr> {
        let address = *self.by_mac.get(&mac)?;
        let binding = self.by_address.get_mut(&address)?;
        binding.expires = binding.expires.min(now);
        self.changed.insert(address);
        Some(address)
    }

    /// The addresses whose binding has changed since the last call, each with the one that it has now (`None`: none),
    /// for a server that keeps them on disk.
    pub fn take_changes(&mut self) -> Vec<(Ipv4Addr, Option<Binding>)> {
        let changed = self.changed.drain();
        changed
            .map(|address| (address, self.by_address.get(&address).copied()))
            .collect()
    }

    /// Every binding.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.by_address.values()
    }

    /// Restores a binding from disk, which is no change. One outside the range is dropped.
    pub fn restore(&mut self, binding: Binding) {
        if self.covers(binding.address) {
            self.bind(binding);
            self.changed.clear();
        }
    }

    /// The machine that has `address` now.
    pub fn machine_at(&self, address: Ipv4Addr, now: Duration) -> Option<Mac> {
        self.by_address
            .get(&address)
            .filter(|binding| binding.expires > now)
            .and_then(|binding| binding.mac)
    }

    /// True when `address` is one that this pool assigns.
    pub fn covers(&self, address: Ipv4Addr) -> bool {
        let offset = address.to_bits().checked_sub(self.first);
        offset.is_some_and(|offset| offset < self.count) && !self.excluded.contains(&address)
    }

    fn is_live(&self, address: Ipv4Addr, now: Duration) -> bool {
        self.by_address
            .get(&address)
            .is_some_and(|binding| binding.expires > now)
    }

    /// In the range, not reserved for another machine, and not leased to one.
    fn may_have(&self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        self.covers(address)
            && !self
                .reserved
                .iter()
                .any(|(owner, kept)| *kept == address && *owner != mac)
            && self
                .by_address
                .get(&address)
                .is_none_or(|known| known.mac == Some(mac) || known.expires <= now)
    }

    /// One address per machine and one machine per address.
    fn bind(&mut self, binding: Binding) {
        if let Some(mac) = binding.mac
            && let Some(before) = self.by_mac.insert(mac, binding.address)
            && before != binding.address
        {
            self.by_address.remove(&before);
            self.changed.insert(before);
        }
        self.changed.insert(binding.address);
        let replaced = self.by_address.insert(binding.address, binding);
        if let Some(loser) = replaced
            .and_then(|old| old.mac)
            .filter(|loser| Some(*loser) != binding.mac)
        {
            self.by_mac.remove(&loser);
        }
    }
}

/// FNV-1a, 32 bits: spreads neighbouring MACs, and is the same on every machine and in
/// every version, unlike the standard library's hasher.
fn hash(mac: Mac) -> u32 {
    mac.0.iter().fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
