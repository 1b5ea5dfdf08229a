//! How soon one transaction may follow another.
//!
//! A transaction waits until the disk is durable, and writes 16 KiB for a lease of 22 bytes. So a disk that takes 50 ms at most
//! is kept busy with leases for half of its time, and a flood of invented machines, which lasts, writes no more than ten times in a
//! second. A slower disk rests for less: machines do not wait for more than 100 ms beside their own transaction.
//! A site that starts at once never gets there: its machines wait for the disk and nothing else.

use std::time::{Duration, Instant};

/// The time between two transactions once the credit is used up: ten in a second, whatever the network asks.
const BETWEEN: Duration = Duration::from_millis(100);
/// How many transactions may come sooner than that; one more each [`BETWEEN`]. Some 330 MB of writes.
const CREDIT: u32 = 20_000;
/// The least pause, where a disk takes no time.
const SHORTEST: Duration = Duration::from_millis(1);

/// When the last transaction was, and how many may follow it soon.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When it began and how long it took.
    last: Option<(Instant, Duration)>,
    /// When the credit is whole again.
    whole_at: Option<Instant>,
}

impl Pace {
    /// A transaction has been done.
    pub(super) fn done(&mut self, began: Instant, took: Duration) {
        self.last = Some((began, took));
        let whole_at = self.whole_at.map_or(began, |whole| whole.max(began));
        self.whole_at = Some(whole_at + BETWEEN);
    }

    /// When the next one may begin.
    pub(super) fn next(&self) -> Option<Instant> {
        let (began, took) = self.last?;
        let owed = self.whole_at.map_or(Duration::ZERO, |it| it - began);
        let pause = if owed <= BETWEEN * CREDIT {
            took.max(SHORTEST)
        } else {
            BETWEEN
        };
        Some((began + took + pause).min(began + took.max(BETWEEN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_disk_rests_as_long_as_it_worked_unless_it_is_slow() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.next(), None);
        for (took, next) in [(0, 1), (4, 8), (80, 100), (300, 300)] {
            pace.done(now, took * MS);
            assert_eq!(pace.next(), Some(now + next * MS), "{took} ms");
        }
    }

    #[test]
    fn a_flood_that_lasts_is_ten_transactions_in_a_second() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let (mut now, mut soon) = (start, 0);
        let mut done = 0_u32;
        while now < start + Duration::from_secs(3600) {
            pace.done(now, 2 * MS);
            done += 1;
            let next = pace.next().unwrap();
            soon += u32::from(next < now + BETWEEN);
            now = next;
        }
        assert!((CREDIT..CREDIT + 2000).contains(&soon), "{soon}");
        assert!(done < CREDIT + 36_000 + 2000, "{done}");
        // After a quiet hour the next classroom does not wait.
        now += Duration::from_secs(3600);
        pace.done(now, 2 * MS);
        assert_eq!(pace.next(), Some(now + 4 * MS));
    }
}
