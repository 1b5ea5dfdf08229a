//! Sending one file to one client. See [`super`] for how to drive it.
//!
//! The negotiated window never changes. When a window has to be retransmitted, the *burst* is
//! halved: the part of the window that is sent at once, with a pause before the next burst. A
//! window of 16 blocks of 8 KiB overflows a receiver's buffer at the same block each time,
//! which stalled two other servers permanently; a smaller window would not help, since the
//! client sends its ACK only after a full window (RFC 7440 §4).
//!
//! A duplicate ACK is never answered (the Sorcerer's Apprentice bug: each answer would double
//! the rest of the transfer). An ACK inside the window means that the block after it was
//! lost; sending resumes there at once, which is new data for the client.

use std::io;
use std::time::Duration;

use super::negotiate::{Agreement, Limits, negotiate};
use super::packet::{ErrorCode, Mode, Packet, ReadRequest};

pub use super::outcome::{Handled, Ignored, Outcome};
pub use super::source::Source;

/// Pause between two bursts of a window after the burst was halved.
const BURST_PAUSE: Duration = Duration::from_millis(2);
/// After this many consecutive windows without loss the burst is doubled again.
const CLEAN_WINDOWS: u32 = 4;
/// The shortest measured retransmission timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest retransmission timeout. Longer than a client's own five seconds: atftp answers
/// a duplicate block only once, then waits that long in silence before it repeats its ACK.
const MAX_TIMEOUT: Duration = Duration::from_secs(7);
/// How much of an ERROR's text is kept, in characters.
const MAX_MESSAGE: usize = 120;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for ACK 0 in answer to the OACK.
    Options { sent: bool },
    /// Sending blocks.
    Data,
}

/// The sending side of one transfer.
#[derive(Debug)]
pub struct Transfer<S> {
    source: S,
    size: u64,
    agreed: Agreement,
    limits: Limits,
    phase: Phase,
    /// Number of blocks; the last is shorter than the others and may be empty.
    blocks: u64,
    /// Number of blocks acknowledged.
    acked: u64,
    /// The next block to send, from 1.
    next: u64,
    /// The highest block ever sent.
    highest: u64,
    /// The last block of the current burst.
    burst_end: u64,
    burst: u64,
    burst_at: Option<Duration>,
    clean_windows: u32,
    deadline: Duration,
    retries: u32,
    /// When the round trip measurement began; `None` after a retransmission, whose ACK could
    /// belong to either copy (Karn's algorithm).
    timed_since: Option<Duration>,
    round_trip: Option<Duration>,
    retransmitted: u64,
    final_error: Option<Packet<'static>>,
    outcome: Option<Outcome>,
}

impl<S: Source> Transfer<S> {
    /// Starts the transfer for a read request. The error is the ERROR packet to send instead:
    /// only mode `octet` is served.
    pub fn start(
        request: &ReadRequest,
        source: S,
        limits: &Limits,
        now: Duration,
    ) -> Result<Transfer<S>, Packet<'static>> {
        if request.mode != Mode::Octet {
            return Err(Packet::error(
                ErrorCode::IllegalOperation,
                "Only mode octet is served",
            ));
        }
        let size = source.size();
        let agreed = negotiate(request, size, limits);
        let window = u64::from(agreed.window);
        let mut transfer = Transfer {
            blocks: size / u64::from(agreed.block_size.max(1)) + 1,
            phase: if agreed.answer.is_empty() {
                Phase::Data
            } else {
                Phase::Options { sent: false }
            },
            source,
            size,
            agreed,
            limits: limits.clone(),
            acked: 0,
            next: 1,
            highest: 0,
            burst_end: 0,
            burst: window,
            burst_at: None,
            clean_windows: 0,
            deadline: now,
            retries: 0,
            timed_since: None,
            round_trip: None,
            retransmitted: 0,
            final_error: None,
            outcome: None,
        };
        transfer.open_window(now);
        Ok(transfer)
    }

    /// Handles a datagram that the client sent to this transfer's port.
    pub fn handle(&mut self, datagram: &[u8], now: Duration) -> Handled {
        if self.outcome.is_some() {
            return Handled::Ignored(Ignored::Ended);
        }
        match Packet::decode(datagram) {
            Ok(Packet::Ack { block }) => self.acknowledged(block, now),
            Ok(Packet::Error { code, message }) => {
                self.outcome = Some(self.client_error(code, message));
                Handled::Progress
            }
            Ok(_) => Handled::Ignored(Ignored::Unexpected),
            Err(error) => Handled::Ignored(Ignored::NotTftp(error)),
        }
    }

    fn acknowledged(&mut self, block: u16, now: Duration) -> Handled {
        if let Phase::Options { sent } = self.phase {
            if block != 0 || !sent {
                return Handled::Ignored(Ignored::StaleAck);
            }
            self.time_round_trip(now);
            self.phase = Phase::Data;
            self.retries = 0;
            self.open_window(now);
            return Handled::Progress;
        }
        // Block numbers have 16 bits and roll over to 0. Fewer than 65536 blocks are ever in
        // flight, so they are unambiguous.
        let forward = u64::from(block.wrapping_sub(low_word(self.acked)));
        if forward == 0 {
            return Handled::Ignored(Ignored::DuplicateAck);
        }
        if forward > self.highest - self.acked {
            return Handled::Ignored(Ignored::StaleAck);
        }
        self.acked += forward;
        if self.acked == self.blocks {
            self.outcome = Some(Outcome::Complete);
            return Handled::Progress;
        }
        if self.acked + 1 < self.next {
            self.slow_down();
            self.retransmitted += self.next - (self.acked + 1);
            self.timed_since = None;
        } else {
            self.speed_up();
        }
        self.time_round_trip(now);
        self.retries = 0;
        self.next = self.acked + 1;
        self.open_window(now);
        Handled::Progress
    }

    fn client_error(&self, code: u16, message: &[u8]) -> Outcome {
        if self.highest == 0 && matches!(self.phase, Phase::Options { sent: true }) {
            return Outcome::SizeLearned;
        }
        let message = String::from_utf8_lossy(message);
        let message = message.chars().take(MAX_MESSAGE).collect();
        Outcome::Aborted { code, message }
    }

    /// Writes the next datagram to send into `datagram`; false if there is nothing to send now.
    pub fn poll_transmit(&mut self, datagram: &mut Vec<u8>) -> bool {
        if let Some(final_error) = self.final_error.take() {
            final_error.encode_into(datagram);
            return true;
        }
        if self.outcome.is_some() {
            return false;
        }
        if let Phase::Options { sent } = &mut self.phase {
            if std::mem::replace(sent, true) {
                return false;
            }
            // Clones a few short strings, once per transfer.
            Packet::OptionAck(self.agreed.answer.clone()).encode_into(datagram);
            return true;
        }
        if self.next > self.burst_end {
            return false;
        }
        if let Err(error) = self.write_block(datagram) {
            self.outcome = Some(Outcome::ReadFailed(error.kind()));
            Packet::error(ErrorCode::Undefined, "The file could not be read").encode_into(datagram);
            return true;
        }
        self.highest = self.highest.max(self.next);
        self.next += 1;
        true
    }

    fn write_block(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        let block_size = u64::from(self.agreed.block_size);
        let offset = (self.next - 1) * block_size;
        let length = block_size.min(self.size.saturating_sub(offset));
        Packet::Data {
            block: low_word(self.next),
            payload: &[],
        }
        .encode_into(datagram);
        let head = datagram.len();
        datagram.resize(head + usize::try_from(length).unwrap_or(0), 0);
        match datagram.get_mut(head..) {
            Some(payload) if !payload.is_empty() => self.source.read_at(offset, payload),
            _ => Ok(()),
        }
    }

    /// When [`Transfer::handle_timeout`] is due; `None` once the transfer has ended.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.outcome.is_some() {
            return None;
        }
        Some(
            self.burst_at
                .map_or(self.deadline, |at| at.min(self.deadline)),
        )
    }

    /// Handles the passing of time. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.outcome.is_some() {
            return;
        }
        if self.burst_at.is_some_and(|at| at <= now) {
            self.burst_end = self.window_end().min(self.burst_end + self.burst);
            self.burst_at = (self.burst_end < self.window_end()).then(|| now + BURST_PAUSE);
            self.deadline = now + self.timeout();
        } else if self.deadline <= now {
            self.retransmit(now);
        }
    }

    fn retransmit(&mut self, now: Duration) {
        self.retries += 1;
        if self.retries > self.limits.retries {
            let all_sent = self.phase == Phase::Data && self.highest == self.blocks;
            self.outcome = Some(if all_sent {
                Outcome::LastAckMissing
            } else {
                Outcome::TimedOut
            });
            self.final_error = Some(Packet::error(ErrorCode::Undefined, "No acknowledgement"));
            return;
        }
        match &mut self.phase {
            Phase::Options { sent } => *sent = false,
            Phase::Data => {
                self.slow_down();
                self.retransmitted += self.next - (self.acked + 1);
                self.next = self.acked + 1;
            }
        }
        self.open_window(now);
        self.timed_since = None;
    }

    fn window_end(&self) -> u64 {
        self.blocks.min(self.acked + u64::from(self.agreed.window))
    }

    /// Starts the first burst after the last ACK, and its timers.
    fn open_window(&mut self, now: Duration) {
        self.burst_end = self.window_end().min(self.acked + self.burst);
        self.burst_at = (self.phase == Phase::Data && self.burst_end < self.window_end())
            .then(|| now + BURST_PAUSE);
        self.deadline = now + self.timeout();
        self.timed_since = Some(now);
    }

    fn slow_down(&mut self) {
        self.burst = (self.burst / 2).max(1);
        self.clean_windows = 0;
    }

    fn speed_up(&mut self) {
        self.clean_windows += 1;
        if self.clean_windows >= CLEAN_WINDOWS {
            self.burst = (self.burst * 2).min(u64::from(self.agreed.window));
            self.clean_windows = 0;
        }
    }

    fn time_round_trip(&mut self, now: Duration) {
        let Some(since) = self.timed_since.take() else {
            return;
        };
        let sample = now.saturating_sub(since);
        self.round_trip = Some(
            self.round_trip
                .map_or(sample, |known| (known * 7 + sample) / 8),
        );
    }

    /// The client's `timeout`, else four measured round trips, doubled with each retransmission.
    fn timeout(&self) -> Duration {
        if let Some(requested) = self.agreed.timeout {
            return requested;
        }
        let base = self.round_trip.map_or(self.limits.timeout, |round_trip| {
            (round_trip * 4).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
        });
        let longest = MAX_TIMEOUT.max(self.limits.timeout);
        base.saturating_mul(1 << self.retries.min(8)).min(longest)
    }

    /// How the transfer ended; `None` while it runs. Send the datagrams that
    /// [`Transfer::poll_transmit`] still returns before closing the socket.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Bytes that the client has acknowledged.
    pub fn bytes_acknowledged(&self) -> u64 {
        self.size
            .min(self.acked * u64::from(self.agreed.block_size))
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number of retransmitted blocks.
    pub fn blocks_retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// The negotiated options.
    pub fn agreement(&self) -> &Agreement {
        &self.agreed
    }
}

/// The low 16 bits: the block number as sent.
fn low_word(block: u64) -> u16 {
    let [.., high, low] = block.to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
