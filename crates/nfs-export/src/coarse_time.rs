//! Time that is as old as the kernel's last tick, 10 ms at most: without a system call, and without reading the processor's
//! counter, which for each call of a client would be felt.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Since this host started. It never goes backwards.
pub(crate) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::MonotonicCoarse)).unwrap_or_default()
}
