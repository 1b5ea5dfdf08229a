//! What is on the disk, what is on its way there, and who waits for it.
//!
//! One entry for each address and one waiting reply for each machine, so a flood of requests takes no more memory and
//! no more writes than a range has addresses.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::pool::Binding;

use super::lease::Lease;

/// How many replies wait at most; a classroom is tens, and a machine that gets none asks again.
const MOST_WAITING: usize = 1024;

/// What is to be written, and the replies that wait for it.
#[derive(Debug)]
pub(super) struct Group<T> {
    pub(super) changes: Vec<(Ipv4Addr, Option<Lease>)>,
    pub(super) waiting: Vec<T>,
}

/// What has become of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait<T> {
    /// Its lease is on the disk.
    Durable(T),
    /// It waits. The earlier reply to the same machine, if there was one, is dropped: the machine asked again.
    Queued,
    /// Too many wait.
    Full,
}

/// `T` is what waits.
#[derive(Debug)]
pub(super) struct Queue<T> {
    durable: HashMap<Ipv4Addr, Lease>,
    in_flight: HashMap<Ipv4Addr, Option<Lease>>,
    pending: HashMap<Ipv4Addr, Option<Lease>>,
    waiting: HashMap<Mac, T>,
}

impl<T> Queue<T> {
    pub(super) fn new(durable: impl IntoIterator<Item = (Ipv4Addr, Lease)>) -> Self {
        Self {
            durable: durable.into_iter().collect(),
            in_flight: HashMap::new(),
            pending: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// What an address has from now on.
    pub(super) fn change(&mut self, address: Ipv4Addr, binding: Option<&Binding>, now: Duration) {
        let wanted = binding.map(|binding| Lease::of(binding, now));
        if self.in_flight.contains_key(&address) || !self.has(address, wanted.as_ref()) {
            self.pending.insert(address, wanted);
        } else {
            self.pending.remove(&address);
        }
    }

    /// Whether the disk has it.
    fn has(&self, address: Ipv4Addr, wanted: Option<&Lease>) -> bool {
        match (self.durable.get(&address), wanted) {
            (Some(durable), Some(wanted)) => durable.covers(wanted),
            (None, None) => true,
            _ => false,
        }
    }

    /// A reply to `mac` that may be sent once what `address` has is on the disk.
    pub(super) fn wait(&mut self, address: Ipv4Addr, mac: Mac, reply: T) -> Wait<T> {
        if !self.pending.contains_key(&address) && !self.in_flight.contains_key(&address) {
            return Wait::Durable(reply);
        }
        if self.waiting.len() >= MOST_WAITING && !self.waiting.contains_key(&mac) {
            return Wait::Full;
        }
        self.waiting.insert(mac, reply);
        Wait::Queued
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.durable.is_empty() && self.pending.is_empty()
    }

    /// Everything that is to be written; with `all`, also what is on the disk already.
    pub(super) fn take(&mut self, all: bool) -> Group<T> {
        let mut pending = std::mem::take(&mut self.pending);
        if all {
            for (address, lease) in &self.durable {
                pending.entry(*address).or_insert(Some(*lease));
            }
        } else {
            pending.retain(|address, wanted| !self.has(*address, wanted.as_ref()));
        }
        let changes = pending.iter().map(|(address, lease)| (*address, *lease));
        let changes = changes.collect();
        self.in_flight = pending;
        let waiting = self.waiting.drain().map(|(_, reply)| reply).collect();
        Group { changes, waiting }
    }

    /// The group that was taken last is on the disk, or, if not `written`, is to be written again.
    pub(super) fn done(&mut self, written: bool) {
        for (address, lease) in self.in_flight.drain() {
            match (written, lease) {
                (true, Some(lease)) => {
                    self.durable.insert(address, lease);
                }
                (true, None) => {
                    self.durable.remove(&address);
                }
                (false, lease) => {
                    self.pending.entry(address).or_insert(lease);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn binding(host: u8, owner: u8, expires: Duration) -> Binding {
        Binding {
            address: ip(host),
            mac: mac(owner),
            expires,
        }
    }

    fn queue() -> Queue<u32> {
        Queue::new([])
    }

    #[test]
    fn a_reply_waits_for_its_lease_and_the_next_one_does_not() {
        let mut queue = queue();
        let lease = binding(100, 1, NOW + HOUR);
        queue.change(ip(100), Some(&lease), NOW);
        assert_eq!(queue.wait(ip(100), mac(1), 1), Wait::Queued);
        let group = queue.take(false);
        assert_eq!((group.changes.len(), group.waiting), (1, vec![1]));
        // Asked again while it is written: the next group.
        assert_eq!(queue.wait(ip(100), mac(1), 2), Wait::Queued);
        queue.done(true);
        let group = queue.take(false);
        assert_eq!((group.changes.len(), group.waiting), (0, vec![2]));
        queue.done(true);
        queue.change(ip(100), Some(&binding(100, 1, NOW + HOUR * 9 / 8)), NOW);
        assert_eq!(queue.wait(ip(100), mac(1), 3), Wait::Durable(3));
        assert!(!queue.has_changes());
    }

    #[test]
    fn a_flood_of_one_machine_is_one_write_and_one_reply() {
        let mut queue = queue();
        for second in 0..10_000 {
            let now = NOW + Duration::from_millis(second);
            queue.change(ip(100), Some(&binding(100, 1, now + HOUR)), now);
            let number = u32::try_from(second).unwrap();
            assert_eq!(queue.wait(ip(100), mac(1), number), Wait::Queued);
        }
        let group = queue.take(false);
        assert_eq!((group.changes.len(), group.waiting), (1, vec![9999]));
    }

    #[test]
    fn too_many_machines_get_no_reply_and_their_leases_are_written_all_the_same() {
        let mut queue = queue();
        let mut full = 0;
        for n in 0..2000_u32 {
            let [.., high, low] = n.to_be_bytes();
            let address = Ipv4Addr::new(10, 0, high, low);
            let lease = Binding {
                address,
                mac: Mac([2, 0, 0, 0, high, low]),
                expires: NOW + HOUR,
            };
            queue.change(address, Some(&lease), NOW);
            full += u32::from(queue.wait(address, Mac([2, 0, 0, 0, high, low]), n) == Wait::Full);
        }
        assert_eq!(full, 2000 - 1024);
        let group = queue.take(false);
        assert_eq!((group.changes.len(), group.waiting.len()), (2000, 1024));
    }

    #[test]
    fn what_could_not_be_written_is_written_again_unless_it_changed() {
        let mut queue = queue();
        queue.change(ip(100), Some(&binding(100, 1, NOW + HOUR)), NOW);
        queue.change(ip(101), Some(&binding(101, 2, NOW + HOUR)), NOW);
        queue.take(false);
        queue.change(ip(101), None, NOW);
        queue.done(false);
        let mut group = queue.take(true);
        group.changes.sort_by_key(|(address, _)| *address);
        assert_eq!(group.changes.len(), 2);
        assert!(group.changes[0].1.is_some());
        assert_eq!(group.changes[1], (ip(101), None));
    }

    #[test]
    fn a_released_address_is_written_unless_it_is_taken_again() {
        let mut queue = queue();
        queue.change(ip(100), Some(&binding(100, 1, NOW + HOUR)), NOW);
        queue.take(false);
        queue.done(true);
        queue.change(ip(100), Some(&binding(100, 1, NOW)), NOW);
        assert!(queue.has_changes());
        // Taken again before that was written: nothing is left to write.
        queue.change(ip(100), Some(&binding(100, 1, NOW + HOUR)), NOW);
        assert!(!queue.has_changes());
    }
}
