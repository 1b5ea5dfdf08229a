//! Which address a machine is offered.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use super::Pool;

/// An offer that was not requested for this long gives way to another machine, if no other
/// address is left that no machine ever had.
pub(super) const RECYCLE_AFTER: Duration = Duration::from_secs(10);
/// How many addresses are looked at before the best one so far is good enough.
const ENOUGH: usize = 512;
/// The same where that is one that no machine ever had: a better one has been probed, and those that have are looked at first.
const ENOUGH_OF_NEW: usize = 8;
/// How long a range without a free address is not searched again.
const FULL_FOR: Duration = Duration::from_secs(1);

/// What kind of address it is for a machine that has none; the smallest is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// No machine ever had it, and nobody answers ARP for it.
    Ready,
    /// No machine ever had it.
    NotProbed,
    /// It was offered at this time, and not requested since.
    NotRequested(Duration),
    /// Its lease ended at this time.
    Ended(Duration),
    /// It was offered at this time, and may be requested at any moment.
    JustOffered(Duration),
}

impl Pool {
    /// The address for a machine that sends a DISCOVER.
    pub(super) fn choose(
        &mut self,
        mac: Mac,
        requested: Option<Ipv4Addr>,
        now: Duration,
    ) -> Option<Ipv4Addr> {
        if let Some(kept) = self.kept.of(mac) {
            if self.is_ready(mac, kept, now) {
                return Some(kept);
            }
            // Whether another machine still uses it is known when this one boots next.
            self.probe(kept, now);
        }
        let known = [self.leases.of(mac), self.offered.to(mac, now)];
        let usable = |address: &Ipv4Addr| self.may_be_offered(mac, *address, now);
        let known = known.into_iter().flatten().find(usable);
        let requested = requested.filter(usable);
        let requested = requested.filter(|address| {
            let others = self
                .offered
                .of(*address, now)
                .filter(|offer| offer.mac != mac);
            others.is_none() && self.may_change_owner(mac, *address, now)
        });
        if let Some(address) = known.or(requested) {
            return Some(address);
        }
        if now < self.full_until {
            return None;
        }
        let found = self.search(mac, now);
        if found.is_none() {
            self.full_until = now + FULL_FOR;
        }
        found
    }

    /// An address for a machine that has none.
    fn search(&self, mac: Mac, now: Duration) -> Option<Ipv4Addr> {
        let first = self.range.iter_for(mac).next()?;
        let (before, after) = self
            .stock
            .split_at(self.stock.partition_point(|a| *a < first));
        let stock = after.iter().chain(before).copied();
        let looked_at = stock.chain(self.range.iter_for(mac)).enumerate();
        let mut best: Option<(Rank, Ipv4Addr)> = None;
        for (step, address) in looked_at {
            let enough = match best {
                None => usize::MAX,
                Some((Rank::NotProbed, _)) => self.stock.len() + ENOUGH_OF_NEW,
                Some(_) => self.stock.len() + ENOUGH,
            };
            if step >= enough {
                break;
            }
            let Some(rank) = self.rank(mac, address, now) else {
                continue;
            };
            if rank == Rank::Ready {
                return Some(address);
            }
            if best.is_none_or(|(known, _)| rank < known) {
                best = Some((rank, address));
            }
        }
        best.map(|(_, address)| address)
    }

    fn rank(&self, mac: Mac, address: Ipv4Addr, now: Duration) -> Option<Rank> {
        if !self.may_be_offered(mac, address, now) || !self.may_change_owner(mac, address, now) {
            return None;
        }
        let ended = self.leases.last(address).map(|lease| lease.expires);
        Some(match (self.offered.of(address, now), ended) {
            (Some(offer), _) if now < offer.at + RECYCLE_AFTER => Rank::JustOffered(offer.at),
            (_, Some(ended)) => Rank::Ended(ended),
            (Some(offer), None) => Rank::NotRequested(offer.at),
            (None, None) if self.is_silent(address, now) => Rank::Ready,
            (None, None) => Rank::NotProbed,
        })
    }
}
