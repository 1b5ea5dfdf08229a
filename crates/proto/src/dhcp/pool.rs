//! Which machine has which address, and until when.
//!
//! A machine is its MAC: firmware, boot loader and operating system send three different
//! client identifiers (61) and no or different UUIDs (97), and must get one lease, or a
//! small range is used up by half as many machines as it has addresses.
//!
//! The first choice for a machine follows from a hash of its MAC, so a server that lost its
//! leases assigns the same addresses again. The address of a lease that ended or was released
//! stays with its machine until another one needs it, which gets it after all others. Memory
//! is bounded by the range.
//!
//! With [`Pool::probe_addresses`], an address that answers ARP is not offered. Probes run
//! ahead, so that no offer waits for one: [`Pool::probes_due`] and [`Pool::heard`] are the
//! way out and in.
//!
//! # What it cannot prevent
//! A MAC is only what a message says. Whoever requests a lease in the name of one invented
//! machine after another takes every address that is not leased; only the network's switches
//! can tell (DHCP snooping, a limit of MACs at each port). Leases that machines hold are not
//! touched, neither by that nor by a DISCOVER, DECLINE or RELEASE that is sent in their name.

mod arp;
mod choice;
mod kept;
mod leases;
mod offered;
mod probes;
mod range;
mod set_aside;

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;

pub use self::kept::Kept;
use self::kept::KeptAddresses;
pub use self::leases::Binding;
use self::leases::Leases;
use self::offered::Offered;
use self::probes::Probes;
use self::range::Range;
pub use self::range::{LARGEST_RANGE, RangeError};
use self::set_aside::{Cause, SetAside};

/// The addresses that a server assigns.
#[derive(Debug, Clone)]
pub struct Pool {
    range: Range,
    leases: Leases,
    offered: Offered,
    set_aside: SetAside,
    /// `None` if addresses are not probed.
    probes: Option<Probes>,
    /// Addresses that are kept probed, in order.
    stock: Vec<Ipv4Addr>,
    fill_at: Duration,
    full_until: Duration,
    kept: KeptAddresses,
    excluded: Vec<Ipv4Addr>,
}

/// Why a machine does not get the address that it requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The address is not in the range.
    OutOfRange,
    /// Another machine has it, or may have it.
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
        Self::of_ranges(&[(first, last)], excluded)
    }

    /// The same for several ranges of one network.
    pub fn of_ranges(
        ranges: &[(Ipv4Addr, Ipv4Addr)],
        excluded: Vec<Ipv4Addr>,
    ) -> Result<Pool, RangeError> {
        let range = Range::new(ranges)?;
        let set_aside = SetAside::new(range.count());
        Ok(Pool {
            range,
            leases: Leases::default(),
            offered: Offered::default(),
            set_aside,
            probes: None,
            stock: Vec::new(),
            fill_at: Duration::ZERO,
            full_until: Duration::ZERO,
            kept: KeptAddresses::default(),
            excluded,
        })
    }

    /// From now on, these are not given: the server has them itself.
    pub fn exclude(&mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        for address in addresses {
            if !self.excluded.contains(&address) {
                self.excluded.push(address);
            }
        }
    }

    /// From now on, addresses are probed before they are offered.
    pub fn probe_addresses(&mut self) {
        self.probes.get_or_insert_default();
    }

    /// From now on, each of these is given to its machine alone, and no other address is kept. They may lie outside the
    /// range.
    pub fn keep(&mut self, kept: &[Kept]) {
        let leases = &self.leases;
        self.kept.set(kept, |address| leases.owner(address));
    }

    /// The machine that asks by `mac` is the one for which `address` is kept, whatever it was known by. `None`: none is
    /// kept for it.
    pub fn claim(&mut self, mac: Mac, address: Option<Ipv4Addr>) {
        self.kept.claim(mac, address);
    }

    /// The address that is kept for a machine.
    pub fn kept_for(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.kept.of(mac)
    }

    /// Whether the server gives this address to nobody: it has it itself, or a router has.
    pub fn excludes(&self, address: Ipv4Addr) -> bool {
        self.excluded.contains(&address)
    }

    /// Finds an address for a DISCOVER and holds it for two minutes, unless another machine
    /// requests it. `None` if every address is in use.
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
        if self.machine_at(address, now) != Some(mac) {
            self.offered.put(address, mac, now);
            self.probe(address, now);
        }
        Some(address)
    }

    /// Grants `address` to a machine that asks for it, for `time`.
    pub fn take(
        &mut self,
        mac: Mac,
        address: Ipv4Addr,
        time: Duration,
        now: Duration,
    ) -> Result<(), Denial> {
        let kept = self.kept.of(mac);
        let is_kept = kept == Some(address);
        let is_offered = self.offered.to(mac, now) == Some(address);
        let kept = kept.filter(|kept| !is_kept && !is_offered && self.is_ready(mac, *kept, now));
        if let Some(kept) = kept {
            return Err(Denial::HasAnother(kept));
        }
        if !self.covers(address) {
            return Err(Denial::OutOfRange);
        }
        if !self.may_have(mac, address, now) {
            return Err(Denial::InUse);
        }
        let own = self.leases.of(mac).filter(|own| *own != address);
        let holds = |own: &Ipv4Addr| {
            self.machine_at(*own, now) == Some(mac) && self.may_have(mac, *own, now)
        };
        if let Some(own) = own.filter(holds).filter(|_| !is_kept) {
            return Err(Denial::HasAnother(own));
        }
        if !self.may_change_owner(mac, address, now) {
            self.probe(address, now);
            return Err(Denial::InUse);
        }
        self.bind(Binding {
            address,
            mac,
            expires: now + time,
        });
        Ok(())
    }

    /// Grants the address that a machine has for longer, for `time`: also one that it would not get any more, since it is
    /// kept for another machine by now, or in no range (RFC 2131 §4.3.2: a client that renews has an address, and uses it).
    pub fn renew(
        &mut self,
        mac: Mac,
        address: Ipv4Addr,
        time: Duration,
        now: Duration,
    ) -> Result<(), Denial> {
        if self.machine_at(address, now) != Some(mac) || self.excludes(address) {
            return self.take(mac, address, time, now);
        }
        self.bind(Binding {
            address,
            mac,
            expires: now + time,
        });
        Ok(())
    }

    /// A machine found its address in use: it is not offered for ten minutes, or as long as
    /// somebody answers ARP for it. False if the address is not that machine's, so that no
    /// client can empty the range.
    ///
    /// The machine remains the address's owner, and gets it when it renews: that it uses the
    /// address shows that it did not decline it.
    pub fn decline(&mut self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        let leased = self.machine_at(address, now) == Some(mac);
        if !leased && self.offered.to(mac, now) != Some(address) {
            return false;
        }
        self.leases.end(address, now);
        self.offered.clear(address);
        self.set_aside.declined(address, mac, now);
        if let Some(probes) = &mut self.probes {
            probes.forget(address);
            probes.urgent(address, now);
        }
        true
    }

    /// A machine has chosen another server's offer: its held address is free again. A lease
    /// that it took is kept, since anybody can send such a message in its name.
    pub fn withdraw_offer(&mut self, mac: Mac) {
        self.offered.withdraw(mac);
    }

    /// A machine releases its address. It gets the same one next time, unless another machine
    /// needed it.
    pub fn release(&mut self, mac: Mac, now: Duration) -> Option<Ipv4Addr> {
        let address = self.leases.of(mac)?;
        self.leases.end(address, now);
        Some(address)
    }

    /// The addresses whose lease has changed since the last call, each with the one that it has
    /// now (`None`: none), for a server that keeps them on disk.
    pub fn take_changes(&mut self) -> Vec<(Ipv4Addr, Option<Binding>)> {
        self.leases.take_changes()
    }

    /// Every lease, ended ones included.
    pub fn bindings(&self) -> impl Iterator<Item = Binding> {
        self.leases.all()
    }

    /// The addresses that were offered and not requested, with their machines.
    pub fn offers(&self) -> impl Iterator<Item = (Ipv4Addr, Mac)> {
        self.offered.iter()
    }

    /// The first and the last address of each range, the lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
        self.range.rows()
    }

    /// Whether a DISCOVER of this machine would be offered an address.
    pub fn has_address_for(
        &mut self,
        mac: Mac,
        requested: Option<Ipv4Addr>,
        now: Duration,
    ) -> bool {
        self.choose(mac, requested, now).is_some()
    }

    /// The address that the machine has, had last, or was offered.
    pub fn address_of(&self, mac: Mac, now: Duration) -> Option<Ipv4Addr> {
        let leased = self.leases.of(mac);
        leased.or_else(|| self.offered.to(mac, now))
    }

    /// How many addresses machines have.
    pub fn leased(&self, now: Duration) -> usize {
        let live = self.leases.all().filter(|lease| lease.expires > now);
        live.count()
    }

    /// How many addresses are set aside, since somebody else uses them or is said to.
    pub fn set_aside(&self) -> usize {
        self.set_aside.len()
    }

    /// Restores a lease from disk, which is no change. One outside the range is dropped.
    pub fn restore(&mut self, binding: Binding) {
        if self.covers(binding.address) {
            self.bind(binding);
            self.leases.forget_changes();
        }
    }

    /// The machine that has `address` now.
    pub fn machine_at(&self, address: Ipv4Addr, now: Duration) -> Option<Mac> {
        let lease = self.leases.last(address);
        lease
            .filter(|lease| lease.expires > now)
            .map(|lease| lease.mac)
    }

    /// True when `address` is one that this pool assigns.
    pub fn covers(&self, address: Ipv4Addr) -> bool {
        let is_given = self.range.contains(address) || self.kept.contains(address);
        is_given && !self.excludes(address)
    }

    /// One that is given, not kept for another machine, not leased to one, and not used by one.
    fn may_have(&self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        self.covers(address)
            && !self.kept.is_anothers(address, mac)
            && self
                .machine_at(address, now)
                .is_none_or(|owner| owner == mac)
            && match self.aside(address, now) {
                Some(Cause::UsedBy(user) | Cause::DeclinedBy(user)) => user == mac,
                None => true,
            }
    }

    /// The same, and not declined by this machine.
    fn may_be_offered(&self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        let declined = matches!(self.aside(address, now), Some(Cause::DeclinedBy(_)));
        !declined && self.may_have(mac, address, now)
    }

    /// The same for an address that is kept for this machine, and no other one had it that may still use it.
    fn is_ready(&self, mac: Mac, kept: Ipv4Addr, now: Duration) -> bool {
        self.may_be_offered(mac, kept, now) && self.may_change_owner(mac, kept, now)
    }

    /// Why the address is set aside. Where addresses are probed, it is until a probe was silent.
    fn aside(&self, address: Ipv4Addr, now: Duration) -> Option<Cause> {
        let (cause, until) = self.set_aside.get(address)?;
        (self.probes.is_some() || now < until).then_some(cause)
    }

    /// True unless it was another machine's: that one may still use it, and a probe must show
    /// that it does not.
    fn may_change_owner(&self, mac: Mac, address: Ipv4Addr, now: Duration) -> bool {
        let owner = self.leases.owner(address);
        owner.is_none_or(|owner| owner == mac) || self.is_silent(address, now)
    }

    fn bind(&mut self, binding: Binding) {
        let Binding { address, mac, .. } = binding;
        self.leases.bind(binding);
        self.offered.withdraw(mac);
        self.offered.clear(address);
        self.set_aside.clear(address);
        if let Some(probes) = &mut self.probes {
            probes.forget(address);
        }
    }
}

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod tests;
