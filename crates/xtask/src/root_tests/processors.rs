//! How much of the time of the processors that this process may use nobody used, and the memory that is left (`proc(5)`).

use std::time::{Duration, Instant};

/// The processors' time up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processors {
    at: Instant,
    times: Times,
}

/// In ticks, of all processors of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Times {
    /// Also waiting for a disk: one more program would wait as well.
    used: u64,
    all: u64,
    processors: usize,
}

impl Processors {
    pub(crate) fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            at: Instant::now(),
            times: Times::read(&stat).unwrap_or_default(),
        }
    }

    pub(crate) fn since(&self) -> Duration {
        self.at.elapsed()
    }

    /// The share of the time since then in which those that this process may use had nothing to do, from 0 to 1. On a
    /// larger host, what others use counts as if it were used of these: too little is started rather than too much.
    pub(crate) fn idle(&self) -> f64 {
        self.times
            .idle_until(Self::now().times, number_of_processors())
    }
}

impl Times {
    /// Of `/proc/stat`: user, nice, system, idle, iowait, and kinds of busy time.
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // The two last, a guest's time, are in the first two.
        let times: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map_while(|word| word.parse().ok())
            .collect();
        let (all, idle): (u64, u64) = (times.iter().sum(), *times.get(3)?);
        let is_of_one = |line: &&str| {
            let number = line.strip_prefix("cpu");
            number.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
        };
        Some(Self {
            used: all.saturating_sub(idle),
            all,
            processors: stat.lines().filter(is_of_one).count(),
        })
    }

    /// The share of the time of `ours`, of all processors, that was not used.
    fn idle_until(self, later: Self, ours: usize) -> f64 {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let ticks = |later: u64, earlier: u64| {
            f64::from(u32::try_from(later.saturating_sub(earlier)).unwrap_or(u32::MAX))
        };
        let time_of_one = ticks(later.all, self.all) / number(later.processors.max(1));
        if time_of_one <= 0.0 {
            return 0.0;
        }
        let used = ticks(later.used, self.used) / (time_of_one * number(ours.max(1)));
        (1.0 - used).clamp(0.0, 1.0)
    }
}

pub(crate) fn number_of_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The memory that programs can have without swapping, in MiB; nothing if the kernel does not say.
pub(super) fn available_memory_mib() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_share_is_of_our_processors_and_waiting_for_a_disk_is_none() {
        let read = |line: &str| Times::read(&format!("{line}\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\n"));
        let before = read("cpu  100 0 50 800 50 0 0 0 70 0").unwrap();
        let expected = Times {
            used: 200,
            all: 1000,
            processors: 4,
        };
        assert_eq!(before, expected);
        // Of 400 ticks of four processors 100 were used, 40 of them for waiting.
        let after = read("cpu  140 0 60 1100 90 0 5 5 90 0").unwrap();
        for (ours, idle) in [(4, 0.75), (2, 0.5), (1, 0.0)] {
            let found = before.idle_until(after, ours);
            assert!((found - idle).abs() < 1e-9, "{ours}: {found}");
        }
        // Others use more than there is of ours.
        let busy = read("cpu  400 0 50 900 50 0 0 0 70 0").unwrap();
        assert!(before.idle_until(busy, 2).abs() < 1e-9);
        assert!(before.idle_until(before, 4).abs() < 1e-9);
        assert_eq!(Times::read("intr 1 2"), None);
    }
}
