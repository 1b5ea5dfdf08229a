//! How long a client may take to read its replies.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// A client that does not read is waited for for so long at a time, so that the deadline is looked at.
pub(super) const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The part of a client's time after which it is slow: with the usual patience one [`SEND_TIMEOUT`].
const SLOW: u32 = 12;

/// What is expected of clients that read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A client that reads nothing for this long is gone, or its machine hangs. Nothing is lost by closing the connection:
    /// Linux opens another one, for as long as the machine runs, and repeats the calls that were not answered.
    pub(super) silent: Duration,
    /// It must read replies this fast on average, in bytes per second, beyond that time.
    pub(super) min_rate: usize,
    /// It is waited for for so long at a time, until the deadline is looked at.
    pub(super) look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silent: Duration::from_secs(60),
            min_rate: 8 * 1024,
            look: SEND_TIMEOUT,
        }
    }
}

/// The deadline for what is sent at once.
#[derive(Debug)]
pub(super) struct WriteDeadline {
    silent: Duration,
    began: Instant,
    /// When something was last sent.
    last: Instant,
    end: Option<Instant>,
}

impl WriteDeadline {
    /// For so many bytes, from now on.
    pub(super) fn new(patience: Patience, bytes: usize) -> Self {
        let seconds = u64::try_from(bytes / patience.min_rate.max(1)).unwrap_or(u64::MAX);
        let allowed = patience.silent.saturating_add(Duration::from_secs(seconds));
        let now = Instant::now();
        Self {
            silent: patience.silent,
            began: now,
            last: now,
            end: now.checked_add(allowed),
        }
    }

    /// Whether it has taken so long already, at the last look, that the time is looked at more often.
    pub(super) fn is_slow(&self) -> bool {
        self.last.duration_since(self.began) >= self.silent / SLOW
    }

    /// Looks at the time after a system call that did not send everything; returns how many bytes it sent.
    ///
    /// # Errors
    /// Those of the call, but that it was interrupted or ran out of time; and the end of the time that there is.
    pub(super) fn after(&mut self, sent: Result<usize, Errno>) -> io::Result<usize> {
        let sent = match sent {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => sent,
            Err(Errno::INTR | Errno::AGAIN) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let now = Instant::now();
        if sent > 0 {
            self.last = now;
        }
        let silent = now.duration_since(self.last) >= self.silent;
        if silent || self.end.is_some_and(|end| now > end) {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_slow_once_a_part_of_its_time_is_over() {
        let of = |silent| {
            let patience = Patience {
                silent,
                ..Patience::default()
            };
            let mut deadline = WriteDeadline::new(patience, 1 << 20);
            assert!(!deadline.is_slow());
            std::thread::sleep(Duration::from_millis(20));
            deadline.after(Ok(1)).unwrap();
            deadline.is_slow()
        };
        assert!(of(Duration::from_millis(200)));
        assert!(!of(Duration::from_secs(24 * 3600)));
    }
}
