//! Addresses that are not assigned for a while, although no lease says why.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

/// How long an address is set aside after a machine declined it.
pub(super) const DECLINED_FOR: Duration = Duration::from_secs(600);
/// How long until an address that somebody uses is probed again.
pub(super) const ANSWERED_FOR: Duration = Duration::from_secs(60);
/// How many addresses one machine can have set aside by declining them.
const DECLINES_EACH: usize = 3;

/// Why an address is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// This machine answers ARP for it.
    UsedBy(Mac),
    /// This machine said that another one uses it.
    DeclinedBy(Mac),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    cause: Cause,
    until: Duration,
}

/// The addresses that are set aside.
#[derive(Debug, Clone)]
pub(super) struct SetAside {
    entries: HashMap<Ipv4Addr, Entry>,
    /// How many may be set aside because a machine said so, and nothing else.
    most_declined: usize,
    /// How many one machine is believed to have by its answers to ARP.
    most_used_each: usize,
}

impl SetAside {
    /// None of a range of `count` addresses. A DECLINE is a claim that anybody can make, so that all machines together
    /// can set aside an eighth of the range. As many may one machine have by its answers to ARP: a router that answers
    /// for all addresses (local proxy ARP), or a host that wants none to be given out, must not empty the range.
    pub(super) fn new(count: u32) -> Self {
        let eighth = usize::try_from(count / 8).unwrap_or(usize::MAX);
        Self {
            entries: HashMap::new(),
            most_declined: eighth.max(1),
            most_used_each: eighth.max(4),
        }
    }

    /// Whether `mac` is believed when it answers ARP for the address.
    pub(super) fn is_believed(&self, address: Ipv4Addr, mac: Mac) -> bool {
        let uses = |entry: &&Entry| entry.cause == Cause::UsedBy(mac);
        self.entries.get(&address).filter(uses).is_some()
            || self.entries.values().filter(uses).count() < self.most_used_each
    }

    /// `mac` answers ARP for the address. True if that was not known.
    pub(super) fn used(&mut self, address: Ipv4Addr, mac: Mac, now: Duration) -> bool {
        let cause = Cause::UsedBy(mac);
        let until = now + ANSWERED_FOR;
        let before = self.entries.insert(address, Entry { cause, until });
        before.is_none_or(|before| before.cause != cause)
    }

    /// `mac` declined the address. Beyond the limits, the address that was declined first is assigned again.
    pub(super) fn declined(&mut self, address: Ipv4Addr, mac: Mac, now: Duration) {
        let cause = Cause::DeclinedBy(mac);
        let until = now + DECLINED_FOR;
        self.entries.insert(address, Entry { cause, until });
        self.limit_declined(DECLINES_EACH, |cause| cause == Cause::DeclinedBy(mac));
        self.limit_declined(self.most_declined, |cause| {
            matches!(cause, Cause::DeclinedBy(_))
        });
    }

    fn limit_declined(&mut self, most: usize, counted: impl Fn(Cause) -> bool) {
        let of_these = self
            .entries
            .iter()
            .filter(|(_, entry)| counted(entry.cause));
        let mut of_these: Vec<_> = of_these.map(|(address, e)| (e.until, *address)).collect();
        of_these.sort_unstable();
        for (_, address) in of_these.iter().rev().skip(most) {
            self.entries.remove(address);
        }
    }

    /// Why the address is set aside, and until when.
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<(Cause, Duration)> {
        let entry = self.entries.get(&address)?;
        Some((entry.cause, entry.until))
    }

    /// The addresses whose time is over.
    pub(super) fn over(&self, now: Duration) -> Vec<Ipv4Addr> {
        let over = self.entries.iter().filter(|(_, entry)| entry.until <= now);
        over.map(|(address, _)| *address).collect()
    }

    /// The address may be assigned again.
    pub(super) fn clear(&mut self, address: Ipv4Addr) {
        self.entries.remove(&address);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
