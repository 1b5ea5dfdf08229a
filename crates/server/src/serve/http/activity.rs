//! What a connection does: how much its client takes, and how long it has taken nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::direct::{DirectStream, Parts};

/// How long a client may take less than [`LEAST`]: firmware erases flash or decompresses while a transfer waits.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// What a client takes at least in a [`WINDOW`] in which it asks for nothing, in bytes: 2 kB/s. A share of a lossy
/// 10 Mbit/s link among thirty machines is twenty times as much, and at this rate nobody waits for an initrd (an hour).
/// A pause of most of the window is made up for in its rest.
const LEAST: u64 = 128 << 10;

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
    written: u64,
}

impl Done {
    /// Whether a window that began with `before` and ends now is one of a client that makes progress: that takes `least`
    /// bytes.
    fn progress_since(self, before: Self, least: u64) -> bool {
        self.requests != before.requests || self.written.wrapping_sub(before.written) >= least
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

    fn wrote(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long nothing has happened.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.duration_since(self.opened).saturating_sub(last)
    }

    /// What waits in the kernel for this client is thrown away when the connection is closed.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    /// Returns when the client has been too slow for too long.
    pub(super) async fn too_slow(&self) {
        let mut before = self.done();
        loop {
            tokio::time::sleep(WINDOW).await;
            let done = self.done();
            let least = match self.streams.load(Ordering::Relaxed) {
                true => 1,
                false => LEAST,
            };
            if !done.progress_since(before, least) {
                self.abort();
                return;
            }
            before = done;
        }
    }

    fn done(&self) -> Done {
        Done {
            requests: self.requests.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
        }
    }
}

/// A stream whose activity is recorded.
pub(super) struct Recorded {
    stream: DirectStream,
    activity: Arc<Activity>,
}

impl Recorded {
    /// What it has done so far.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// Records what is written to `stream`.
    pub(super) fn new(stream: DirectStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    /// Where bodies hand over the parts of files that the kernel sends.
    pub(super) fn parts(&self) -> Arc<Parts> {
        self.stream.parts()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if self.activity.aborted.load(Ordering::Relaxed) {
            // A client that reads nothing would otherwise keep its share of the kernel's memory for minutes.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.activity.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.activity.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_if_something_was_asked_for_or_enough_was_taken() {
        let done = |requests, written| Done { requests, written };
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
        activity.too_slow().await;
        // The clock of the test: three windows, of which the last was slow.
        assert_eq!(began.elapsed().as_secs() / WINDOW.as_secs(), 3);
        assert!(activity.aborted.load(Ordering::Relaxed));
    }
}
