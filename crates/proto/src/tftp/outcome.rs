//! The result of handling a datagram, and of a whole transfer.

use std::io;

use super::packet::PacketError;

/// How much of an ERROR's text is kept, in characters.
const MAX_MESSAGE: usize = 120;

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has acknowledged every block.
    Complete,
    /// Every block was sent, but the last ACK never arrived. Some ROMs start the file without
    /// sending it, so this is usually a success.
    LastAckMissing,
    /// The client sent an ERROR after the OACK and before any data: it only wanted the file's
    /// size. EDK2 does so with code 8, "User aborted", and sends a new request.
    SizeLearned,
    /// The client sent an ERROR.
    Aborted {
        /// The client's code.
        code: u16,
        /// The client's text, without control characters.
        message: String,
    },
    /// The client stopped answering, or was slower than any real link. An ERROR was sent, unless it has never
    /// answered.
    TimedOut,
    /// The file could not be read, or not in time (`TimedOut`); an ERROR was sent.
    ReadFailed(io::ErrorKind),
}

impl Outcome {
    /// The client sent an ERROR; `is_begun` if blocks were sent before, or no options.
    pub(super) fn of_error(is_begun: bool, code: u16, message: &[u8]) -> Self {
        if !is_begun {
            return Self::SizeLearned;
        }
        let message = String::from_utf8_lossy(message);
        let message = message.chars().take(MAX_MESSAGE).collect();
        Self::Aborted { code, message }
    }
}

/// The effect of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It advanced or ended the transfer.
    Progress,
    /// None, for this reason. Nothing is sent in response.
    Ignored(Ignored),
}

/// Why a datagram was ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// It repeats the last ACK.
    DuplicateAck,
    /// It acknowledges a block that is not in flight.
    StaleAck,
    /// A TFTP packet that a reading client does not send.
    Unexpected,
    /// Not a TFTP packet.
    NotTftp(PacketError),
    /// The transfer has ended.
    Ended,
}
