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
//!
//! Until the first ACK nobody knows whether the client asked: its address may be forged. The first datagram is repeated
//! twice, then the transfer ends in silence. After that it ends when the client makes no progress for 30 s, whatever
//! timeout it asked for, or is slower than any real link.

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
/// How many times the first datagram is repeated. Firmware that hears none of the three asks again.
const UNHEARD_REPEATS: u32 = 2;
/// How long a client may make no progress. Firmware repeats its ACK every 1 to 5 s, and gives up within 30 s.
const SILENCE: Duration = Duration::from_secs(30);
/// How often the rate is looked at: twice the longest silence, so that one pause does not count as a slow link.
const RATE_INTERVAL: Duration = Duration::from_secs(60);
/// The slowest rate, in bytes for each interval. 256 bytes per second is a quarter of what a serial line of 9600 baud
/// carries, and one block of 512 bytes for each round trip over a link with round trips of 2 s.
const LEAST_BYTES: u64 = 256 * 60;
/// A block's header in bytes.
const DATA_HEADER: usize = 4;
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
    /// When the client last made progress, or when a read that it waited for was done.
    progress_at: Duration,
    /// Whether the client has sent an ACK.
    heard: bool,
    /// When the interval began in which the rate is measured, and the bytes that were acknowledged by then.
    rate_since: (Duration, u64),
    /// Whether the next block waits for the source.
    waiting_for_source: bool,
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
            progress_at: now,
            heard: false,
            rate_since: (now, 0),
            waiting_for_source: false,
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
            self.progressed(now);
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
        self.progressed(now);
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
        self.next = self.acked + 1;
        self.open_window(now);
        Handled::Progress
    }

    fn progressed(&mut self, now: Duration) {
        self.heard = true;
        self.retries = 0;
        self.progress_at = now;
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
        self.poll_transmit_run(0, datagram).is_some()
    }

    /// Writes what is to be sent now into `datagrams`, one datagram behind the other, and returns how long each of them is; the
    /// last one may be shorter. At most `most` bytes, but one datagram in any case; never more datagrams than the window has.
    /// `None` if there is nothing to send now.
    pub fn poll_transmit_run(&mut self, most: usize, datagrams: &mut Vec<u8>) -> Option<usize> {
        datagrams.clear();
        if self.outcome.is_none() {
            if let Phase::Options { sent } = &mut self.phase {
                if std::mem::replace(sent, true) {
                    return None;
                }
                // Clones a few short strings, once per transfer.
                Packet::OptionAck(self.agreed.answer.clone()).encode_into(datagrams);
                return Some(datagrams.len());
            }
            self.write_blocks(most, datagrams);
        }
        if !datagrams.is_empty() {
            return Some(DATA_HEADER + usize::from(self.agreed.block_size));
        }
        self.final_error.take()?.encode_into(datagrams);
        Some(datagrams.len())
    }

    fn write_blocks(&mut self, most: usize, datagrams: &mut Vec<u8>) {
        let each = DATA_HEADER + usize::from(self.agreed.block_size);
        while self.next <= self.burst_end
            && (datagrams.is_empty() || datagrams.len() + each <= most)
        {
            let before = datagrams.len();
            if let Err(error) = self.write_block(datagrams) {
                datagrams.truncate(before);
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.waiting_for_source = true;
                } else {
                    self.outcome = Some(Outcome::ReadFailed(error.kind()));
                    self.final_error = Some(unreadable());
                }
                return;
            }
            self.waiting_for_source = false;
            self.highest = self.highest.max(self.next);
            self.next += 1;
        }
    }

    /// What it reads from. Call [`Transfer::source_ready`] once a read that would have blocked has been done.
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source has what it could not give at once. Waiting for it is not the client's fault: its times start again.
    pub fn source_ready(&mut self, now: Duration) {
        self.waiting_for_source = false;
        self.deadline = now + self.timeout();
        self.timed_since = None;
        self.progress_at = now;
        self.rate_since = (now, self.bytes_acknowledged());
    }

    /// Ends the transfer with an ERROR, unless the client has all of it: what it was promised cannot be given.
    pub fn fail(&mut self, why: io::ErrorKind) {
        if self.outcome.is_none() {
            self.outcome = Some(Outcome::ReadFailed(why));
            self.final_error = Some(unreadable());
        }
    }

    /// Ends the transfer without another datagram: its client asks for something else from the same port, or another
    /// client needs its place.
    pub fn stop(&mut self) {
        let outcome = if self.heard {
            self.silent()
        } else if self.phase != Phase::Data {
            // Some clients take the size from the OACK and say nothing.
            Outcome::SizeLearned
        } else {
            Outcome::TimedOut
        };
        self.outcome.get_or_insert(outcome);
    }

    /// Appends the next block's datagram.
    fn write_block(&mut self, datagrams: &mut Vec<u8>) -> io::Result<()> {
        let block_size = u64::from(self.agreed.block_size);
        let offset = (self.next - 1) * block_size;
        let length = block_size.min(self.size.saturating_sub(offset));
        datagrams.extend_from_slice(&Packet::data_header(low_word(self.next)));
        let head = datagrams.len();
        datagrams.resize(head + usize::try_from(length).unwrap_or(0), 0);
        match datagrams.get_mut(head..) {
            Some(payload) if !payload.is_empty() => self.source.read_at(offset, payload),
            _ => Ok(()),
        }
    }

    /// When [`Transfer::handle_timeout`] is due; `None` once the transfer has ended.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.outcome.is_some() {
            return None;
        }
        let silent_at = self.progress_at + SILENCE;
        if self.waiting_for_source {
            return Some(silent_at);
        }
        let due = [
            Some(self.deadline),
            Some(silent_at),
            Some(self.rate_since.0 + RATE_INTERVAL),
            self.burst_at,
        ];
        due.into_iter().flatten().min()
    }

    /// Handles the passing of time. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.outcome.is_some() {
            return;
        }
        let silent = self.progress_at + SILENCE <= now;
        if self.waiting_for_source {
            if silent {
                self.outcome = Some(Outcome::ReadFailed(io::ErrorKind::TimedOut));
                self.final_error = self.heard.then(unreadable);
            }
            return;
        }
        if silent || self.too_slow(now) {
            self.give_up();
        } else if self.burst_at.is_some_and(|at| at <= now) {
            self.burst_end = self.window_end().min(self.burst_end + self.burst);
            self.burst_at = (self.burst_end < self.window_end()).then(|| now + BURST_PAUSE);
            self.deadline = now + self.timeout();
        } else if self.deadline <= now {
            self.retransmit(now);
        }
    }

    /// Whether the interval that has just ended was too slow; starts another one.
    fn too_slow(&mut self, now: Duration) -> bool {
        let (since, bytes) = self.rate_since;
        if since + RATE_INTERVAL > now {
            return false;
        }
        let acknowledged = self.bytes_acknowledged();
        self.rate_since = (now, acknowledged);
        acknowledged < bytes + LEAST_BYTES
    }

    fn give_up(&mut self) {
        self.outcome = Some(self.silent());
        let error = || Packet::error(ErrorCode::Undefined, "No acknowledgement");
        self.final_error = self.heard.then(error);
    }

    /// The outcome for a client that has stopped answering.
    fn silent(&self) -> Outcome {
        if self.heard && self.phase == Phase::Data && self.highest == self.blocks {
            Outcome::LastAckMissing
        } else {
            Outcome::TimedOut
        }
    }

    fn retransmit(&mut self, now: Duration) {
        self.retries += 1;
        let most = if self.heard {
            self.limits.retries
        } else {
            UNHEARD_REPEATS.min(self.limits.retries)
        };
        if self.retries > most {
            self.give_up();
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

    /// The client's `timeout`, else four measured round trips, doubled with each retransmission. After the last
    /// repetition of the first datagram, the longest: time for the client to repeat its ACK, which may be lost too.
    fn timeout(&self) -> Duration {
        if !self.heard && self.retries == UNHEARD_REPEATS {
            return MAX_TIMEOUT;
        }
        if let Some(requested) = self.agreed.timeout {
            return requested;
        }
        let base = self.round_trip.map_or(self.limits.timeout, |round_trip| {
            (round_trip * 4).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
        });
        let longest = MAX_TIMEOUT.max(self.limits.timeout);
        base.saturating_mul(1 << self.retries.min(8)).min(longest)
    }

    /// Whether the client has sent an ACK.
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// When the client last made progress.
    pub fn progress_at(&self) -> Duration {
        self.progress_at
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

fn unreadable() -> Packet<'static> {
    Packet::error(ErrorCode::Undefined, "The file could not be read")
}

/// The low 16 bits: the block number as sent.
fn low_word(block: u64) -> u16 {
    let [.., high, low] = block.to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
