//! The times of a transfer: when what was sent is sent again, when the next burst is due, and when its client has gone.

use std::io;
use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::packet::{ErrorCode, Packet};
use super::super::source::Source;
use super::bursts;
use super::round_trip::MAX_TIMEOUT;
use super::{Phase, Transfer, unreadable};

/// How many times the first datagram is repeated. Firmware that hears none of the three asks again.
const UNHEARD_REPEATS: u32 = 2;

impl<S: Source> Transfer<S> {
    /// When [`Transfer::handle_timeout`] is due; `None` once the transfer has ended.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.outcome.is_some() {
            return None;
        }
        let silent_at = self.patience.silent_at();
        if self.waiting_for_source {
            return Some(silent_at);
        }
        let due = [
            Some(self.deadline),
            Some(silent_at),
            Some(self.patience.rate_due()),
            self.burst_at,
        ];
        due.into_iter().flatten().min()
    }

    /// Handles the passing of time. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.outcome.is_some() {
            return;
        }
        let silent = self.patience.silent_at() <= now;
        if self.waiting_for_source {
            if silent {
                self.outcome = Some(Outcome::ReadFailed(io::ErrorKind::TimedOut));
                self.final_error = self.heard.then(unreadable);
            }
            return;
        }
        let acknowledged = self.bytes_acknowledged();
        if silent || self.patience.too_slow(now, acknowledged) {
            self.give_up();
        } else if self.burst_at.is_some_and(|at| at <= now) {
            self.burst_end = self.window_end().min(self.burst_end + self.bursts.length());
            self.burst_at = (self.burst_end < self.window_end()).then(|| now + bursts::PAUSE);
            self.deadline = now + self.timeout();
        } else if self.deadline <= now {
            self.retransmit(now);
        }
    }

    fn give_up(&mut self) {
        self.outcome = Some(self.silent());
        let error = || Packet::error(ErrorCode::Undefined, "No acknowledgement");
        self.final_error = self.heard.then(error);
    }

    /// The outcome for a client that has stopped answering.
    pub(super) fn silent(&self) -> Outcome {
        if self.heard && self.phase == Phase::Data && self.highest == self.blocks.count() {
            Outcome::LastAckMissing
        } else {
            Outcome::TimedOut
        }
    }

    fn retransmit(&mut self, now: Duration) {
        if !self.heard && self.retries >= UNHEARD_REPEATS {
            self.give_up();
            return;
        }
        self.retries = self.retries.saturating_add(1);
        match &mut self.phase {
            Phase::Options { sent } => *sent = false,
            Phase::Data => {
                self.bursts.slow_down();
                self.retransmitted += self.next - (self.acked + 1);
                self.next = self.acked + 1;
            }
        }
        self.open_window(now);
        self.round_trip.forget();
    }

    fn window_end(&self) -> u64 {
        self.blocks
            .count()
            .min(self.acked + u64::from(self.agreed.window))
    }

    /// Starts the first burst after the last ACK, and its timers.
    pub(super) fn open_window(&mut self, now: Duration) {
        self.burst_end = self.window_end().min(self.acked + self.bursts.length());
        self.burst_at = (self.phase == Phase::Data && self.burst_end < self.window_end())
            .then(|| now + bursts::PAUSE);
        self.deadline = now + self.timeout();
        self.round_trip.begin(now);
    }

    /// The client's `timeout`, else four measured round trips, doubled with each retransmission. After the last
    /// repetition of the first datagram, the longest: time for the client to repeat its ACK, which may be lost too.
    pub(super) fn timeout(&self) -> Duration {
        if !self.heard && self.retries == UNHEARD_REPEATS {
            return MAX_TIMEOUT;
        }
        if let Some(requested) = self.agreed.timeout {
            return requested;
        }
        self.round_trip.timeout(self.limits.timeout, self.retries)
    }
}
