//! Time since the kernel started, and progress lines for long waits.

use std::fmt::Display;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::console::info;

/// How long a wait may last before it is logged, and the shortest interval between two such lines.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// A point in time on the kernel's monotonic clock (`CLOCK_MONOTONIC`), which starts with the kernel. The wall clock is
/// of no use here: it jumps when it is set, and boards without a battery start in 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let t = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(t.tv_nsec).unwrap_or(0);
        Moment(Duration::new(seconds, nanoseconds))
    }

    /// The moment this long after the kernel started.
    pub(crate) fn at(since_kernel: Duration) -> Self {
        Moment(since_kernel)
    }

    /// Time since the kernel started.
    pub(crate) fn since_kernel(self) -> Duration {
        self.0
    }

    /// Time since an earlier moment; zero if it is not earlier.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Time from now until this moment; zero once it has passed.
    pub(crate) fn remaining(self) -> Duration {
        self.since(Moment::now())
    }

    /// The moment this much later.
    pub(crate) fn after(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(time))
    }
}

/// A duration as a `struct timespec`; one that does not fit is clamped.
pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Formats a duration in seconds with one decimal, or two below ten: `0.42`, `3.10`, `12.5`.
pub(crate) struct Seconds(pub(crate) Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without floating point, whose formatting alone would be 2 % of this program.
        let (seconds, hundredths) = (self.0.as_secs(), self.0.subsec_millis() / 10);
        if seconds < 10 {
            write!(f, "{seconds}.{hundredths:02}")
        } else {
            write!(f, "{seconds}.{}", hundredths / 10)
        }
    }
}

/// A wait in progress: when it started, and when to log it next.
#[derive(Debug)]
pub(crate) struct Wait {
    started: Moment,
    log_at: Moment,
}

impl Wait {
    /// Starts the wait.
    pub(crate) fn start() -> Self {
        let started = Moment::now();
        Wait {
            started,
            log_at: started.after(LOG_INTERVAL),
        }
    }

    /// Logs `waiting for <what> (12 s)` if it is due, less often as the wait gets longer. Returns when to call again.
    pub(crate) fn log_if_due(&mut self, what: impl FnOnce() -> String) -> Moment {
        let now = Moment::now();
        if now >= self.log_at {
            let lasted = now.since(self.started);
            info!("waiting for {} ({} s)", what(), lasted.as_secs());
            self.log_at = now.after(LOG_INTERVAL.max(lasted / 2));
        }
        self.log_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_formatted_with_a_sensible_number_of_decimals() {
        for (milliseconds, text) in [
            (0, "0.00"),
            (429, "0.42"),
            (3_100, "3.10"),
            (12_460, "12.4"),
            (125_000, "125.0"),
        ] {
            assert_eq!(
                Seconds(Duration::from_millis(milliseconds)).to_string(),
                text
            );
        }
    }
}
