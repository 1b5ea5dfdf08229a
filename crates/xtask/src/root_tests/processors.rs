//! How much of their time the processors were idle, whoever used them, and the memory that is left (`proc(5)`).

use std::time::{Duration, Instant};

/// The processors' time up to a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processors {
    at: Instant,
    times: Times,
}

/// In ticks, of all processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
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

    /// The share of the time since then in which they had nothing to do, from 0 to 1.
    pub(crate) fn idle(&self) -> f64 {
        self.times.idle_until(Self::now().times)
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
        Some(Self {
            idle: times.iter().skip(3).take(2).sum(),
            all: times.iter().sum(),
        })
    }

    fn idle_until(self, later: Self) -> f64 {
        let share = |part: u64, whole: u64| match u32::try_from(whole) {
            Ok(whole) if whole > 0 => {
                f64::from(u32::try_from(part).unwrap_or(u32::MAX)) / f64::from(whole)
            }
            _ => 0.0,
        };
        share(
            later.idle.saturating_sub(self.idle),
            later.all.saturating_sub(self.all),
        )
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
    fn the_idle_share_is_of_all_processors() {
        let read = |line: &str| Times::read(line).unwrap();
        let before = read("cpu  100 0 50 800 50 0 0 0 70 0\ncpu0 1 2 3\n");
        assert_eq!(
            before,
            Times {
                idle: 850,
                all: 1000
            }
        );
        let after = read("cpu  160 0 80 890 60 0 5 5 90 0\n");
        assert!((before.idle_until(after) - 0.5).abs() < 1e-9);
        assert!(before.idle_until(before).abs() < 1e-9);
        assert_eq!(Times::read("intr 1 2"), None);
    }
}
