//! What a connection does: how much its client takes, and how long it has taken nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::serve::connection_limits::Busy;

/// How long a client may take less than [`LEAST`]: firmware erases flash or decompresses while a transfer waits.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// What a client takes at least in a [`WINDOW`] in which it asks for nothing, in bytes: 2 kB/s. A share of a lossy
/// 10 Mbit/s link among thirty machines is twenty times as much, and at this rate nobody waits for an initrd (an hour).
/// A pause of most of the window is made up for in its rest.
const LEAST: u64 = 128 << 10;
/// How often it is looked at what a client has taken of what the kernel holds for it, which may be all that happens for a
/// while. More often than `STALE` of `connection_limits`.
const LOOK: Duration = Duration::from_secs(5);
/// The looks of a window.
const LOOKS: u64 = WINDOW.as_secs() / LOOK.as_secs();

/// What a connection has done so far.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// The last time that something happened, in milliseconds since it was opened.
    last: AtomicU64,
    requests: AtomicU64,
    /// Bytes that the kernel has taken for the client.
    written: AtomicU64,
    /// It is sent what happens, as it happens.
    streams: AtomicBool,
    aborted: AtomicBool,
}

/// An [`Activity`] at one moment in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    requests: u64,
    /// Bytes that the client has acknowledged.
    taken: u64,
}

impl Done {
    /// Whether a window that began with `before` and ends now is one of a client that makes progress: that takes `least`
    /// bytes.
    fn progress_since(self, before: Self, least: u64) -> bool {
        self.requests != before.requests || self.taken.wrapping_sub(before.taken) >= least
    }
}

impl Activity {
    /// A connection that was opened now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            opened: now,
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            written: AtomicU64::new(0),
            streams: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
        }
    }

    /// From now on it is sent what happens, as it happens: little for hours, and a heartbeat. It is idle between, and
    /// makes room for a machine that needs its place.
    pub(super) fn streams(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }

    /// A request has arrived.
    pub(super) fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    /// The kernel has taken bytes for the client.
    pub(super) fn wrote(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Whether what waits in the kernel for this client is to be thrown away.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Returns when the client has been too slow for too long. `unacknowledged` says how many bytes the kernel holds for it.
    pub(super) async fn too_slow(&self, unacknowledged: impl Fn() -> u64) {
        let done = || Done {
            requests: self.requests.load(Ordering::Relaxed),
            taken: self
                .written
                .load(Ordering::Relaxed)
                .saturating_sub(unacknowledged()),
        };
        let mut before = done();
        let mut last = before;
        loop {
            for _ in 0..LOOKS {
                tokio::time::sleep(LOOK).await;
                let now = done();
                if now.taken != last.taken {
                    self.touch();
                }
                last = now;
            }
            let least = match self.streams.load(Ordering::Relaxed) {
                true => 1,
                false => LEAST,
            };
            if !last.progress_since(before, least) {
                self.abort();
                return;
            }
            before = last;
        }
    }
}

impl Busy for Activity {
    fn idle(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.duration_since(self.opened).saturating_sub(last)
    }

    /// What waits in the kernel for this client is thrown away when the connection is closed.
    fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_window_counts_if_something_was_asked_for_or_enough_was_taken() {
        let done = |requests, taken| Done { requests, taken };
        assert!(done(1, 0).progress_since(done(0, 0), LEAST));
        assert!(!done(1, LEAST - 1).progress_since(done(1, 0), LEAST));
        assert!(done(1, LEAST).progress_since(done(1, 0), LEAST));
        assert!(!done(1, LEAST).progress_since(done(1, LEAST), LEAST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_too_slow_after_a_window_in_which_it_takes_next_to_nothing() {
        let activity = Arc::new(Activity::new(Instant::now()));
        let taking = Arc::clone(&activity);
        tokio::spawn(async move {
            // A pause of most of a window, as of firmware that erases flash, is none.
            for pause in [1, 55, 55, 1] {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                taking.wrote(2 << 20);
            }
            // Then 1 kB/s.
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                taking.wrote(1 << 10);
            }
        });
        let began = tokio::time::Instant::now();
        activity.too_slow(|| 0).await;
        // The clock of the test: three windows, of which the last was slow.
        assert_eq!(began.elapsed().as_secs() / WINDOW.as_secs(), 3);
        assert!(activity.aborted.load(Ordering::Relaxed));
    }
    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_what_the_kernel_holds_is_not_idle_and_one_that_takes_none_of_it_is()
     {
        let activity = Activity::new(Instant::now());
        activity.wrote(4 << 20);
        let (began, held) = (tokio::time::Instant::now(), 4_u64 << 20);
        // 20 kB/s, for two windows and a half.
        let slowly = || {
            let seconds = began.elapsed().as_secs().min(150);
            held.saturating_sub(seconds * 20_000)
        };
        activity.too_slow(slowly).await;
        assert_eq!(began.elapsed().as_secs() / WINDOW.as_secs(), 4);
    }
}
