//! The server's clock: one that never goes back for decisions, and the wall's for what is kept on disk.

use std::time::{Duration, Instant, SystemTime};

/// The clock of every decision: the time since 1970 as it was believed at start, plus the time that has passed since.
/// A step of the wall clock (NTP finds that it is not 1970) neither ends nor prolongs a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    at_start: Duration,
    started: Instant,
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// On the server's clock.
    pub(crate) now: Duration,
    /// On the wall clock, since 1970.
    pub(crate) wall: Duration,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self {
            at_start: wall(),
            started: Instant::now(),
        }
    }

    /// The time for decisions.
    pub(crate) fn now(&self) -> Duration {
        self.at_start + self.started.elapsed()
    }

    /// The time for decisions, and the wall clock's.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            wall: wall(),
        }
    }
}

fn wall() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
impl Clock {
    /// As if so much time had passed.
    pub(crate) fn advance(&mut self, time: Duration) {
        self.at_start += time;
    }
}
