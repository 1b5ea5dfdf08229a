//! What became of a datagram, and of a whole transfer.

use std::io;

use super::packet::PacketError;

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has acknowledged every block.
    Complete,
    /// Every block was sent, but the last ACK never came. Some ROMs jump into the file
    /// without sending it, so this is mostly a success.
    LastAckMissing,
    /// The client sent an ERROR after the OACK and before any data: it only wanted to know
    /// the size. EDK2 does so with code 8, "User aborted", and asks anew.
    SizeLearned,
    /// The client sent an ERROR.
    Aborted {
        /// The client's code.
        code: u16,
        /// The client's text, without control characters.
        message: String,
    },
    /// The client fell silent; an ERROR was sent.
    TimedOut,
    /// The file could not be read; an ERROR was sent.
    ReadFailed(io::ErrorKind),
}

/// What a datagram did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It moved the transfer on, or ended it.
    Progress,
    /// Nothing: see the reason. Nothing is sent because of it.
    Ignored(Ignored),
}

/// Why a datagram did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// It acknowledges what was acknowledged last.
    DuplicateAck,
    /// It acknowledges something that is not in flight.
    StaleAck,
    /// It is TFTP, but nothing that a reading client sends.
    Unexpected,
    /// It is no TFTP.
    NotTftp(PacketError),
    /// The transfer has ended.
    Ended,
}
