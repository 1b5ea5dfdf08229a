//! How long an answer takes, and after how long it counts as lost.

use std::time::Duration;

/// The shortest measured retransmission timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest retransmission timeout. Longer than a client's own five seconds: atftp answers
/// a duplicate block only once, then waits that long in silence before it repeats its ACK.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(7);

/// The measured round trip.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// When the measurement began; `None` after a retransmission, whose ACK could belong to either copy (Karn's algorithm).
    since: Option<Duration>,
    smoothed: Option<Duration>,
}

impl RoundTrip {
    /// Something is sent for the first time.
    pub(super) fn begin(&mut self, now: Duration) {
        self.since = Some(now);
    }

    /// The next answer tells nothing.
    pub(super) fn forget(&mut self) {
        self.since = None;
    }

    /// It is answered.
    pub(super) fn end(&mut self, now: Duration) {
        let Some(since) = self.since.take() else {
            return;
        };
        let sample = now.saturating_sub(since);
        self.smoothed = Some(
            self.smoothed
                .map_or(sample, |known| (known * 7 + sample) / 8),
        );
    }

    /// Four round trips, `first` until one has been measured, doubled with each retransmission.
    pub(super) fn timeout(&self, first: Duration, retries: u32) -> Duration {
        let base = self.smoothed.map_or(first, |round_trip| {
            (round_trip * 4).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
        });
        let longest = MAX_TIMEOUT.max(first);
        base.saturating_mul(1 << retries.min(8)).min(longest)
    }
}
