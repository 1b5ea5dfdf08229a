//! How long a client is borne that makes no progress, or little.

use std::time::Duration;

/// How long a client may make no progress. Firmware repeats its ACK every 1 to 5 s, and gives up within 30 s. But a loader may open
/// a file long before it reads it: under Secure Boot GRUB opens the initrd, and shim hashes the kernel first, which took 27 s
/// on a busy machine without KVM.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// How often the rate is looked at: twice the longest silence, so that one pause does not count as a slow link.
pub(super) const RATE_INTERVAL: Duration = Duration::from_secs(120);
/// The slowest rate, in bytes for each interval. 256 bytes per second is a quarter of what a serial line of 9600 baud
/// carries, and one block of 512 bytes for each round trip over a link with round trips of 2 s.
const LEAST_BYTES: u64 = 256 * 120;

/// What is known of a client's progress.
#[derive(Debug)]
pub(super) struct Patience {
    /// When it last made progress, or when a read that it waited for was done.
    progress_at: Duration,
    /// When the interval began in which the rate is measured, and the bytes that were acknowledged by then.
    rate_since: (Duration, u64),
}

impl Patience {
    /// It begins now, with so many bytes acknowledged.
    pub(super) fn begin(now: Duration, acknowledged: u64) -> Self {
        Self {
            progress_at: now,
            rate_since: (now, acknowledged),
        }
    }

    /// The client has made progress.
    pub(super) fn progressed(&mut self, now: Duration) {
        self.progress_at = now;
    }

    /// When it last did.
    pub(super) fn progress_at(&self) -> Duration {
        self.progress_at
    }

    /// When its silence has lasted too long.
    pub(super) fn silent_at(&self) -> Duration {
        self.progress_at + SILENCE
    }

    /// When the rate is looked at next.
    pub(super) fn rate_due(&self) -> Duration {
        self.rate_since.0 + RATE_INTERVAL
    }

    /// Whether the interval that has just ended was too slow; starts another one.
    pub(super) fn too_slow(&mut self, now: Duration, acknowledged: u64) -> bool {
        if self.rate_due() > now {
            return false;
        }
        let (_, before) = std::mem::replace(&mut self.rate_since, (now, acknowledged));
        acknowledged < before + LEAST_BYTES
    }
}
