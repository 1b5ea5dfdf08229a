//! The machines: bounded in number and in bytes, whoever invents how many.
//!
//! Anybody can send a DISCOVER in the name of any machine. Such a stranger has a place among strangers until it has received
//! something that it was sent; then it cannot be pushed out by strangers any more.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use netroot_net::Mac;

use super::record::Record;
use crate::serve::clock::Moment;

/// How many machines are remembered that have received what they were sent, and how many others.
const PROVEN: usize = 1024;
const STRANGERS: usize = 256;
/// What all of them may take, in bytes. A machine with four boots takes some 20 kB, and its messages 10.
const BYTES: usize = 24 << 20;
/// How many addresses without a hardware address are remembered as a machine's.
const ADDRESSES: usize = 1024;

/// Every machine.
#[derive(Debug, Default)]
pub(super) struct Table {
    machines: HashMap<Mac, Sized>,
    bytes: usize,
    strangers: usize,
    /// Behind routers: who fetched its script from there.
    addresses: HashMap<IpAddr, Mac>,
}

#[derive(Debug)]
struct Sized {
    record: Record,
    bytes: usize,
}

impl Table {
    /// Changes a machine's record, which is made if there is none and `new` says so.
    pub(super) fn change<T>(
        &mut self,
        mac: Mac,
        now: Moment,
        new: bool,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Option<T> {
        if !self.machines.contains_key(&mac) {
            if !new {
                return None;
            }
            self.make_room();
            let record = Record::new(now);
            self.machines.insert(mac, Sized { record, bytes: 0 });
            self.strangers += 1;
        }
        let entry = self.machines.get_mut(&mac)?;
        let was_proven = entry.record.proven;
        let result = change(&mut entry.record);
        let bytes = entry.record.size();
        self.bytes = self.bytes.saturating_sub(entry.bytes) + bytes;
        entry.bytes = bytes;
        if entry.record.proven && !was_proven {
            self.strangers = self.strangers.saturating_sub(1);
            self.bound_proven();
        }
        while self.bytes > BYTES && self.shrink(mac) {}
        Some(result)
    }

    /// One place for a stranger.
    fn make_room(&mut self) {
        if self.strangers >= STRANGERS {
            self.forget_oldest(false, None);
        }
    }

    fn bound_proven(&mut self) {
        if self.machines.len().saturating_sub(self.strangers) > PROVEN {
            self.forget_oldest(true, None);
        }
    }

    /// The one that was not heard of for longest, of the proven ones or of the others.
    fn oldest(&self, proven: bool, but: Option<Mac>) -> Option<Mac> {
        let machines = self.machines.iter();
        machines
            .filter(|(mac, entry)| entry.record.proven == proven && Some(**mac) != but)
            .min_by_key(|(_, entry)| entry.record.heard.now)
            .map(|(mac, _)| *mac)
    }

    fn forget_oldest(&mut self, proven: bool, but: Option<Mac>) -> bool {
        let Some(oldest) = self.oldest(proven, but) else {
            return false;
        };
        if let Some(entry) = self.machines.remove(&oldest) {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            if !entry.record.proven {
                self.strangers = self.strangers.saturating_sub(1);
            }
        }
        true
    }

    /// Takes something away from another machine than `mac`: strangers, then messages, then earlier
    /// boots, then machines, the oldest first.
    /// False if there is nothing to take.
    fn shrink(&mut self, mac: Mac) -> bool {
        if self.forget_oldest(false, Some(mac)) {
            return true;
        }
        let with_datagrams = self
            .machines
            .iter_mut()
            .filter(|(other, entry)| **other != mac && !entry.record.datagrams.is_empty())
            .min_by_key(|(_, entry)| entry.record.heard.now);
        if let Some((_, entry)) = with_datagrams {
            entry.record.datagrams = VecDeque::new();
            let bytes = entry.record.size();
            self.bytes = self.bytes.saturating_sub(entry.bytes) + bytes;
            entry.bytes = bytes;
            return true;
        }
        let with_more = self
            .machines
            .iter_mut()
            .filter(|(_, entry)| entry.record.boots.len() > 1)
            .min_by_key(|(_, entry)| entry.record.heard.now);
        if let Some((_, entry)) = with_more
            && entry.record.forget_a_boot()
        {
            let bytes = entry.record.size();
            self.bytes = self.bytes.saturating_sub(entry.bytes) + bytes;
            entry.bytes = bytes;
            return true;
        }
        self.forget_oldest(true, Some(mac))
    }

    /// One machine.
    pub(super) fn get(&self, mac: Mac) -> Option<&Record> {
        self.machines.get(&mac).map(|entry| &entry.record)
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (Mac, &Record)> {
        self.machines
            .iter()
            .map(|(mac, entry)| (*mac, &entry.record))
    }

    /// All of them, to be changed without making them larger.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (Mac, &mut Record)> {
        let machines = self.machines.iter_mut();
        machines.map(|(mac, entry)| (*mac, &mut entry.record))
    }

    /// The machine that was seen at an address which no neighbour table has.
    pub(super) fn at(&self, address: IpAddr) -> Option<Mac> {
        self.addresses.get(&address).copied()
    }

    /// A machine was seen there.
    pub(super) fn seen_at(&mut self, address: IpAddr, mac: Mac) {
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&address) {
            let machines = &self.machines;
            self.addresses.retain(|_, mac| machines.contains_key(mac));
            if self.addresses.len() >= ADDRESSES {
                return;
            }
        }
        self.addresses.insert(address, mac);
    }

    /// What all of them take, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.machines.len()
    }
}
