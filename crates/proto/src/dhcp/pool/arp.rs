//! Probing the addresses of a pool: which are asked for, and what the answers mean.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

use super::Pool;
use super::set_aside::Cause;

/// How many free addresses are kept probed. A range that is not larger is assigned in the same
/// way whether or not it is probed.
const STOCK: usize = 256;
/// How often the stock is filled up.
const FILL_EVERY: Duration = Duration::from_secs(5);
/// The same after an address was taken from it.
const FILL_SOON: Duration = Duration::from_secs(1);

impl Pool {
    /// Probes the address before all others, unless it was probed lately.
    pub(super) fn probe(&mut self, address: Ipv4Addr, now: Duration) {
        if let Some(probes) = &mut self.probes {
            probes.urgent(address, now);
            self.fill_at = self.fill_at.min(now + FILL_SOON);
        }
    }

    /// True if nobody has answered ARP for it lately, or if nobody is asked.
    pub(super) fn is_silent(&self, address: Ipv4Addr, now: Duration) -> bool {
        let probes = self.probes.as_ref();
        probes.is_none_or(|probes| probes.is_silent(address, now))
    }

    /// The addresses to send an ARP probe for now (RFC 5227 §2.1.1). To be called again at
    /// [`Pool::next_probe`].
    pub fn probes_due(&mut self, now: Duration) -> Vec<Ipv4Addr> {
        let Some(probes) = &mut self.probes else {
            return Vec::new();
        };
        for silent in probes.ended(now) {
            // A machine that declined the address has heard of somebody whom we may not hear.
            let (cause, until) = self.set_aside.get(silent).unzip();
            if !matches!(cause, Some(Cause::DeclinedBy(_))) || until.is_some_and(|at| at <= now) {
                self.set_aside.clear(silent);
            }
        }
        for address in self.set_aside.over(now) {
            probes.keep_fresh(address, now);
        }
        if now >= self.fill_at {
            self.fill_at = now + FILL_EVERY;
            self.fill(now);
        }
        self.probes
            .as_mut()
            .map(|probes| probes.due(now))
            .unwrap_or_default()
    }

    /// When [`Pool::probes_due`] is to be called next; `None` if addresses are not probed.
    pub fn next_probe(&self) -> Option<Duration> {
        let probes = self.probes.as_ref()?;
        let next = probes.next().unwrap_or(self.fill_at);
        Some(next.min(self.fill_at))
    }

    /// Keeps the addresses probed that are given out next.
    fn fill(&mut self, now: Duration) {
        let mut stock = Vec::new();
        let mut ended = Vec::new();
        for address in self.range.iter() {
            let idle = self.covers(address)
                && self.machine_at(address, now).is_none()
                && self.set_aside.get(address).is_none();
            match self.leases.last(address).filter(|_| idle) {
                Some(lease) => ended.push((lease.expires, address)),
                None if idle => stock.push(address),
                None => {}
            }
            if stock.len() >= STOCK {
                break;
            }
        }
        ended.sort_unstable();
        stock.extend(ended.into_iter().map(|(_, address)| address));
        stock.truncate(STOCK);
        if let Some(probes) = &mut self.probes {
            for address in &stock {
                probes.keep_fresh(*address, now);
            }
        }
        stock.sort_unstable();
        self.stock = stock;
    }

    /// An ARP frame says that `mac` has `address`. True for a machine that was not known to
    /// use this address, which this server did not give it.
    ///
    /// Only an answer to a probe counts. What is heard without one, which anybody can send at
    /// any time, causes a probe.
    pub fn heard(&mut self, address: Ipv4Addr, mac: Mac, now: Duration) -> bool {
        let leased = self.machine_at(address, now).is_some();
        let offer = self.offered.of(address, now);
        // The machine that is about to use the address, or uses it already.
        if leased || !self.covers(address) || offer.is_some_and(|offer| offer.mac == mac) {
            return false;
        }
        let owner = self.leases.owner(address);
        if owner != Some(mac) && !self.set_aside.is_believed(address, mac) {
            return false;
        }
        let Some(probes) = &mut self.probes else {
            return false;
        };
        if !probes.forget(address) {
            if self.set_aside.get(address).is_none() {
                probes.keep_fresh(address, now);
            }
            return false;
        }
        let is_new = self.set_aside.used(address, mac, now);
        self.offered.clear(address);
        // A machine that goes on with the address of a lease that ended is no stranger.
        is_new && owner != Some(mac)
    }
}
