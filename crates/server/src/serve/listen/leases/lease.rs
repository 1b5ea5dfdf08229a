//! A lease in memory and on the disk, and what happens to its times in between.
//!
//! In memory, times are the server's clock's, which only runs forward. On the disk they are the wall clock's, each with
//! the time at which it was written. What a reader takes from the disk is how much of a lease was *left*: never more
//! than was left when it was written, whatever either clock says. So
//!
//! * a server whose clock was in 2099 leaves no lease of decades behind: what was left was an hour;
//! * a server whose clock is in 1970, or behind for another reason, holds a lease for what was left when it was written;
//! * a lease that ended longer than [`ANOTHER_CLOCK`] ago was written by another clock, or nobody has been here for a
//!   year. It is held for what was left, since its machine may be running: one lease time later nothing of that is left;
//! * otherwise a lease that has ended stays its former owner's, as the pool does it.
//!
//! When the wall clock is stepped while the server runs, leases do not change in memory, and the file is written again
//! by the new time ([`stepped`]): until then it has the old time, as after a power failure in the first minute.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::pool::Binding;

use crate::serve::clock::Moment;

/// A lease that ended longer ago than this was not written by this clock.
const ANOTHER_CLOCK: u64 = 365 * 24 * 3600;
/// By how much the wall clock has to be off before the file is written again: drift and leap seconds are less.
const STEP: Duration = Duration::from_secs(60);
/// A lease is kept on disk for longer than the machine was told, by this part of it: a machine that asks several times
/// within one boot (firmware, boot loader, init), or a flood of its requests, is one write.
const RESERVE: u32 = 8;

/// What is kept of an address, in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Whose it is, or was.
    pub(super) mac: Mac,
    /// Until when its machine was told that it has it, on the server's clock.
    told: Duration,
    /// Until when it is kept.
    until: Duration,
}

/// The same on the disk: seconds since 1970 by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Whose it is, or was.
    pub(super) mac: Mac,
    /// When this was written.
    pub(super) written: u64,
    /// Until when it is kept.
    pub(super) until: u64,
}

impl Lease {
    /// What is to be kept of a binding.
    pub(super) fn of(binding: &Binding, now: Duration) -> Self {
        let left = binding.expires.saturating_sub(now);
        Self {
            mac: binding.mac,
            told: binding.expires,
            until: binding.expires + left / RESERVE,
        }
    }

    /// Whether this, on the disk, is as good as `wanted` there.
    pub(super) fn covers(&self, wanted: &Self) -> bool {
        let second = Duration::from_secs(1);
        self.mac == wanted.mac && wanted.told <= self.until && self.until <= wanted.until + second
    }

    pub(super) fn stored(&self, at: Moment) -> Stored {
        let until = match self.until.checked_sub(at.now) {
            Some(left) => at.wall + left,
            None => at.wall.saturating_sub(at.now - self.until),
        };
        Stored {
            mac: self.mac,
            written: at.wall.as_secs(),
            until: until.as_secs() + u64::from(until.subsec_nanos() > 0),
        }
    }

    pub(super) fn binding(&self, address: Ipv4Addr) -> Binding {
        Binding {
            address,
            mac: self.mac,
            expires: self.until,
        }
    }
}

impl Stored {
    /// The lease, and whether the disk should be told of it anew because its times are another clock's.
    pub(super) fn lease(&self, at: Moment) -> (Lease, bool) {
        let wall = at.wall.as_secs();
        let at_writing = self.until.saturating_sub(self.written);
        let ended = wall.saturating_sub(self.until);
        let (until, clamped) = if ended > ANOTHER_CLOCK {
            (at.now + Duration::from_secs(at_writing), at_writing > 0)
        } else if self.until > wall {
            let left = self.until - wall;
            let until = at.now + Duration::from_secs(left.min(at_writing));
            (until, left > at_writing)
        } else {
            (at.now.saturating_sub(Duration::from_secs(ended)), false)
        };
        let lease = Lease {
            mac: self.mac,
            told: until,
            until,
        };
        (lease, clamped)
    }
}

/// Whether the wall clock was stepped between two moments.
pub(super) fn stepped(before: Moment, after: Moment) -> bool {
    // Sums instead of differences, since each clock may be ahead of the other.
    (before.wall + after.now).abs_diff(after.wall + before.now) > STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 150);
    const HOUR: u64 = 3600;
    const IN_2026: u64 = 1_795_000_000;
    const IN_2099: u64 = 4_070_000_000;

    fn at(now: u64, wall: u64) -> Moment {
        Moment {
            now: Duration::from_secs(now),
            wall: Duration::from_secs(wall),
        }
    }

    /// Written by a server at `written` for an hour, and read by one whose clocks are at `read`: the seconds that are
    /// left, or since when there are none.
    fn left(written: u64, read: u64) -> i64 {
        let server = at(written, written);
        let binding = Binding {
            address: ADDRESS,
            mac: MAC,
            expires: server.now + Duration::from_secs(HOUR),
        };
        let stored = Lease::of(&binding, server.now).stored(server);
        let (lease, _) = stored.lease(at(read, read));
        assert_eq!(lease.mac, MAC);
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap();
        seconds(lease.until) - seconds(Duration::from_secs(read))
    }

    /// With the reserve.
    const WHOLE: i64 = 4050;

    #[test]
    fn what_is_left_of_a_lease_survives_a_restart() {
        assert_eq!(left(IN_2026, IN_2026), WHOLE);
        assert_eq!(left(IN_2026, IN_2026 + 1000), WHOLE - 1000);
        assert_eq!(left(IN_2026, IN_2026 + 10 * HOUR), WHOLE - 36_000);
    }

    #[test]
    fn no_clock_makes_a_lease_longer_than_it_was() {
        // The board without a clock wrote, then NTP or a battery set the time.
        assert_eq!(left(60, IN_2026), WHOLE);
        // The other way round.
        assert_eq!(left(IN_2026, 60), WHOLE);
        assert_eq!(left(IN_2099, IN_2026), WHOLE);
        assert_eq!(left(IN_2026, IN_2099), WHOLE);
        // The clock is an hour behind what it was, as with a clock that is saved at shutdown.
        assert_eq!(left(IN_2026, IN_2026 - HOUR), WHOLE);
        assert_eq!(left(60, 0), WHOLE);
        for read in [0, 1, IN_2026, IN_2099, 1 << 50] {
            for written in [0, IN_2026, IN_2099] {
                assert!(left(written, read) <= WHOLE);
            }
        }
    }

    #[test]
    fn a_forged_or_damaged_time_is_no_overflow() {
        for (written, until) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, 0)] {
            let mac = MAC;
            let stored = Stored {
                mac,
                written,
                until,
            };
            for clock in [0, IN_2026, IN_2099] {
                let (lease, _) = stored.lease(at(clock, clock));
                let _ = lease.binding(ADDRESS);
            }
        }
    }

    #[test]
    fn what_is_written_follows_the_wall_clock_and_the_lease_does_not() {
        // Started in 1970; NTP sets the clock a minute later.
        let (before, after) = (at(0, 0), at(60, IN_2026 + 60));
        assert!(stepped(before, after) && stepped(after, before));
        assert!(!stepped(before, at(100_000, 100_030)));
        let binding = Binding {
            address: ADDRESS,
            mac: MAC,
            expires: Duration::from_secs(HOUR),
        };
        let lease = Lease::of(&binding, before.now);
        let stored = lease.stored(after);
        assert_eq!(stored.written, IN_2026 + 60);
        assert_eq!(stored.until, IN_2026 + WHOLE.unsigned_abs());
        let (read, again) = stored.lease(at(IN_2026 + 100, IN_2026 + 100));
        assert!(!again);
        assert_eq!(read.until.as_secs(), IN_2026 + WHOLE.unsigned_abs());
    }

    #[test]
    fn a_second_request_within_the_reserve_needs_no_write() {
        let binding = |expires| Binding {
            address: ADDRESS,
            mac: MAC,
            expires: Duration::from_secs(expires),
        };
        let asked_at = |now: u64| Lease::of(&binding(now + HOUR), Duration::from_secs(now));
        let durable = asked_at(1000);
        assert!(durable.covers(&asked_at(1000)) && durable.covers(&asked_at(1450)));
        assert!(!durable.covers(&asked_at(1451)));
        let other = Binding {
            mac: Mac([2, 0, 0, 0, 0, 2]),
            ..binding(1000 + HOUR)
        };
        let now = Duration::from_secs(1000);
        assert!(!durable.covers(&Lease::of(&other, now)));
        // Given back at once: the disk has to hear of it.
        assert!(!durable.covers(&Lease::of(&binding(1000), now)));
    }
}
