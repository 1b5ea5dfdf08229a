//! The kernel's neighbour table.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use netroot_net::{ArpEntry, Mac};

/// How long what the table said is used: addresses move, but not faster than a machine starts.
const FRESH: Duration = Duration::from_secs(2);
/// How long an address that the table does not have is not looked up again.
const ABSENT: Duration = Duration::from_secs(1);
/// The most addresses that are remembered as absent.
const MOST_ABSENT: usize = 1024;
/// The longest table that is read, in bytes: some 10,000 neighbours. The kernel's own limit is 1024
/// (`gc_thresh3` in arp(7)).
const LONGEST: u64 = 1 << 20;
/// The part of the time that reading may take: one in so many. A flood of invented addresses needs a read for each,
/// and DHCP waits for the same thread.
const SHARE: u32 = 10;
/// The reading that may be done at once, for a classroom's start: some hundred long tables.
const SAVED: Duration = Duration::from_millis(100);

/// A copy of the table, so that a flood of requests does not read it for each.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// `/proc/net/arp`, opened before privileges are dropped; each read from its start shows the table anew.
    table: Option<File>,
    copied: Option<Instant>,
    /// How long that took.
    took: Duration,
    /// The reading that could be done at once after it.
    saved: Duration,
    macs: HashMap<Ipv4Addr, Mac>,
    absent: HashMap<Ipv4Addr, Instant>,
}

impl Neighbours {
    /// Those of this host. Without `/proc`, none.
    pub(super) fn of_kernel() -> Self {
        Self {
            table: File::open("/proc/net/arp").ok(),
            saved: SAVED,
            ..Self::default()
        }
    }

    /// Those of a table with these lines.
    #[cfg(test)]
    pub(super) fn of_text(lines: &str) -> Self {
        use std::io::Write;
        let mut table = tempfile::tempfile().unwrap();
        write!(table, "IP address\n{lines}").unwrap();
        Self {
            table: Some(table),
            saved: SAVED,
            ..Self::default()
        }
    }

    /// The hardware address of a neighbour that has answered.
    pub(super) fn at(&mut self, address: Ipv4Addr, now: Instant) -> Option<Mac> {
        self.look(address, now, |neighbours| {
            let began = Instant::now();
            (macs(&neighbours.read()), began.elapsed())
        })
    }

    fn look(
        &mut self,
        address: Ipv4Addr,
        now: Instant,
        read: impl FnOnce(&mut Self) -> (HashMap<Ipv4Addr, Mac>, Duration),
    ) -> Option<Mac> {
        let within = |time: Duration| move |then: &Instant| now.duration_since(*then) < time;
        if self.copied.as_ref().is_some_and(within(FRESH))
            && let Some(mac) = self.macs.get(&address)
        {
            return Some(*mac);
        }
        if self.absent.get(&address).is_some_and(within(ABSENT)) {
            return None;
        }
        let since = self.copied.map_or(SAVED, |then| now.duration_since(then));
        let saved = self.saved.saturating_add(since / SHARE).min(SAVED);
        if saved < self.took {
            return self.macs.get(&address).copied();
        }
        self.copied = Some(now);
        (self.macs, self.took) = read(self);
        self.saved = saved.saturating_sub(self.took);
        self.absent.remove(&address);
        let found = self.macs.get(&address).copied();
        if found.is_none() {
            if self.absent.len() >= MOST_ABSENT {
                self.absent.retain(|_, then| within(ABSENT)(then));
            }
            if self.absent.len() < MOST_ABSENT {
                self.absent.insert(address, now);
            }
        }
        found
    }

    fn read(&mut self) -> String {
        let mut table = String::new();
        if let Some(file) = &mut self.table
            && file.rewind().is_ok()
        {
            // What was read before an error is still true.
            let _ = file.take(LONGEST).read_to_string(&mut table);
        }
        table
    }
}

fn macs(table: &str) -> HashMap<Ipv4Addr, Mac> {
    ArpEntry::complete(table)
        .filter(|(_, mac)| mac.is_unicast())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(last: u8, flags: u8, mac: &str) -> String {
        format!("10.0.0.{last}  0x1  0x{flags:x}  {mac}  *  br0\n")
    }

    #[test]
    fn the_table_is_read_again_when_the_copy_is_old_or_lacks_the_address() {
        let start = Instant::now();
        let mut neighbours = Neighbours::default();
        let mut reads = 0;
        let mut look = |last, after: u64, lines: String| {
            let at = Ipv4Addr::new(10, 0, 0, last);
            let now = start + Duration::from_millis(after);
            let found = neighbours.look(at, now, |_| {
                reads += 1;
                (macs(&format!("IP address\n{lines}")), Duration::ZERO)
            });
            (found.map(|mac| mac.0[5]), reads)
        };
        let one = || line(1, 2, "02:00:00:00:00:01");
        let two = || line(2, 2, "02:00:00:00:00:02");
        assert_eq!(look(1, 0, one()), (Some(1), 1));
        assert_eq!(look(1, 1000, String::new()), (Some(1), 1));
        assert_eq!(look(2, 1000, one()), (None, 2));
        assert_eq!(look(2, 1900, two()), (None, 2), "not at every request");
        assert_eq!(look(2, 2000, two()), (Some(2), 3));
        // The address moves to another machine.
        let moved = line(1, 2, "02:00:00:00:00:03");
        assert_eq!(look(1, 5000, moved), (Some(3), 4));
        let silent = line(4, 0, "02:00:00:00:00:04") + &line(5, 2, "01:00:5e:00:00:01");
        assert_eq!(look(4, 9000, silent.clone()), (None, 5), "no answer yet");
        assert_eq!(look(5, 9000, silent), (None, 6), "a group, not a machine");
    }

    #[test]
    fn addresses_that_are_nobodys_are_remembered_in_bounded_number() {
        let mut neighbours = Neighbours::default();
        let now = Instant::now();
        for number in 0..5000_u32 {
            let nobody = Ipv4Addr::from_bits(0x0a00_0000 + number);
            assert_eq!(neighbours.look(nobody, now, |_| Default::default()), None);
        }
        assert_eq!(neighbours.absent.len(), MOST_ABSENT);
    }

    #[test]
    fn invented_addresses_cannot_keep_the_server_reading() {
        let (start, took) = (Instant::now(), Duration::from_millis(1));
        let mut neighbours = Neighbours {
            saved: SAVED,
            ..Neighbours::default()
        };
        let mut reads = 0;
        // 50,000 a second for ten seconds: 500,000 reads before, nine in ten of which a processor could not do.
        for number in 0..500_000_u32 {
            let nobody = Ipv4Addr::from_bits(0x0a00_0000 + number);
            let now = start + Duration::from_micros(20) * number;
            neighbours.look(nobody, now, |_| {
                reads += 1;
                (HashMap::new(), took)
            });
        }
        let most = SAVED + Duration::from_secs(10) / SHARE;
        assert!(took * reads <= most, "{reads} reads");
        assert!(reads > 500, "{reads} reads");
        // Once it has ended, the next machine is found at once.
        let (at, mac) = (Ipv4Addr::new(10, 0, 0, 1), Mac([2, 0, 0, 0, 0, 1]));
        let later = start + Duration::from_secs(11);
        let found = neighbours.look(at, later, |_| (HashMap::from([(at, mac)]), took));
        assert_eq!(found, Some(mac));
    }
}
