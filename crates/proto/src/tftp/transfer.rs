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
//! twice, then the transfer ends in silence. After that it ends when the client makes no progress for 60 s, whatever
//! timeout it asked for, or is slower than any real link.

mod blocks;
mod bursts;
mod patience;
mod round_trip;
mod timers;

use std::io;
use std::ops::Range;
use std::time::Duration;

use self::blocks::{Blocks, low_word};
use self::bursts::Bursts;
use self::patience::Patience;
use self::round_trip::RoundTrip;
use super::negotiate::{Agreement, Limits, negotiate};
use super::packet::{ErrorCode, Mode, Packet, ReadRequest};

pub use super::outcome::{Handled, Ignored, Outcome};
pub use super::source::Source;

/// A block's header in bytes.
const DATA_HEADER: usize = 4;

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
    blocks: Blocks,
    agreed: Agreement,
    limits: Limits,
    phase: Phase,
    /// Number of blocks acknowledged.
    acked: u64,
    /// The next block to send, from 1.
    next: u64,
    /// The highest block ever sent.
    highest: u64,
    /// The last block of the current burst.
    burst_end: u64,
    bursts: Bursts,
    burst_at: Option<Duration>,
    deadline: Duration,
    retries: u32,
    round_trip: RoundTrip,
    patience: Patience,
    /// Whether the client has sent an ACK.
    heard: bool,
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
            blocks: Blocks::new(size, agreed.block_size),
            phase: if agreed.answer.is_empty() {
                Phase::Data
            } else {
                Phase::Options { sent: false }
            },
            source,
            agreed,
            limits: limits.clone(),
            acked: 0,
            next: 1,
            highest: 0,
            burst_end: 0,
            bursts: Bursts::new(window),
            burst_at: None,
            deadline: now,
            retries: 0,
            round_trip: RoundTrip::default(),
            patience: Patience::begin(now, 0),
            heard: false,
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
                let is_begun =
                    self.highest > 0 || !matches!(self.phase, Phase::Options { sent: true });
                self.outcome = Some(Outcome::of_error(is_begun, code, message));
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
            self.round_trip.end(now);
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
        if self.acked == self.blocks.count() {
            self.outcome = Some(Outcome::Complete);
            return Handled::Progress;
        }
        if self.acked + 1 < self.next {
            self.bursts.slow_down();
            self.retransmitted += self.next - (self.acked + 1);
            self.round_trip.forget();
        } else {
            self.bursts.speed_up();
        }
        self.round_trip.end(now);
        self.next = self.acked + 1;
        self.open_window(now);
        Handled::Progress
    }

    fn progressed(&mut self, now: Duration) {
        self.heard = true;
        self.retries = 0;
        self.patience.progressed(now);
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
            if let Err(error) = self.blocks.write(self.next, &mut self.source, datagrams) {
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

    /// The bytes of the window that follows once everything that was sent so far is acknowledged.
    pub fn next_window(&self) -> Range<u64> {
        let sent = self.next - 1;
        self.blocks.bytes(sent)..self.blocks.bytes(sent + u64::from(self.agreed.window))
    }

    /// What it reads from. Call [`Transfer::source_ready`] once a read that would have blocked has been done.
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The source has what it could not give at once. Waiting for it is not the client's fault: its times start again.
    pub fn source_ready(&mut self, now: Duration) {
        self.waiting_for_source = false;
        self.deadline = now + self.timeout();
        self.round_trip.forget();
        self.patience = Patience::begin(now, self.bytes_acknowledged());
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

    /// Whether the client has sent an ACK.
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// When the client last made progress.
    pub fn progress_at(&self) -> Duration {
        self.patience.progress_at()
    }

    /// How the transfer ended; `None` while it runs. Send the datagrams that
    /// [`Transfer::poll_transmit`] still returns before closing the socket.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Bytes that the client has acknowledged.
    pub fn bytes_acknowledged(&self) -> u64 {
        self.blocks.bytes(self.acked)
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.blocks.size()
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

#[cfg(test)]
mod tests;
