//! TFTP datagrams (RFC 1350 §5, RFC 2347).

use thiserror::Error;

/// The most options read from one request. Real clients send four.
const MAX_OPTIONS: usize = 16;

/// A TFTP packet, borrowing its data and texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RRQ: the client wants to read.
    Read(ReadRequest),
    /// WRQ: the client wants to write, which this server never allows.
    Write,
    /// DATA.
    Data {
        /// The block number, from 1; rolls over to 0.
        block: u16,
        /// The data; shorter than the block size in the last block.
        payload: &'a [u8],
    },
    /// ACK.
    Ack {
        /// The last block received in order.
        block: u16,
    },
    /// ERROR; ends the transfer.
    Error {
        /// See [`ErrorCode`]; a client may send any number.
        code: u16,
        /// A human-readable message.
        message: &'a [u8],
    },
    /// OACK: the granted options, in the client's spelling and order.
    OptionAck(Vec<(String, String)>),
}

/// A read request, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRequest {
    /// The file name, any bytes: see [`super::name::normalize`].
    pub name: Vec<u8>,
    /// The transfer mode.
    pub mode: Mode,
    /// Options in the client's spelling and order; at most 16.
    pub options: Vec<(String, String)>,
}

/// A transfer's mode (RFC 1350 §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Unchanged bytes: the only mode used for booting.
    Octet,
    /// Text with translated line endings.
    Netascii,
    /// `mail`, which is obsolete, or a mode that no RFC defines.
    Other,
}

/// The error codes this server sends (RFC 1350 §5, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Any other error; see the message.
    Undefined = 0,
    /// File not found.
    NotFound = 1,
    /// Access violation.
    AccessViolation = 2,
    /// Illegal TFTP operation.
    IllegalOperation = 4,
    /// Sent by EDK2 once it knows a file's size: "User aborted".
    OptionsRefused = 8,
}

/// Why a datagram is not a TFTP packet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Fewer bytes than the operation needs.
    #[error("{len} bytes are too few for TFTP operation {operation}")]
    TooShort {
        /// The operation; 0 if it is missing too.
        operation: u16,
        /// Bytes received.
        len: usize,
    },
    /// An operation that TFTP does not have.
    #[error("{operation} is not a TFTP operation")]
    UnknownOperation {
        /// The number found.
        operation: u16,
    },
    /// A read request without a name, or without a mode.
    #[error("the read request lacks {missing}")]
    Incomplete {
        /// What is missing.
        missing: &'static str,
    },
}

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTION_ACK: u16 = 6;

impl<'a> Packet<'a> {
    /// Decodes a datagram.
    pub fn decode(datagram: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let short = |operation| PacketError::TooShort {
            operation,
            len: datagram.len(),
        };
        let (operation, rest) = word(datagram).ok_or(short(0))?;
        match operation {
            READ => ReadRequest::decode(rest).map(Packet::Read),
            WRITE => Ok(Packet::Write),
            DATA => {
                let (block, payload) = word(rest).ok_or(short(operation))?;
                Ok(Packet::Data { block, payload })
            }
            ACK => word(rest)
                .map(|(block, _)| Packet::Ack { block })
                .ok_or(short(operation)),
            ERROR => {
                let (code, message) = word(rest).ok_or(short(operation))?;
                let message = message.split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(Packet::Error { code, message })
            }
            OPTION_ACK => Ok(Packet::OptionAck(options(&mut strings(rest)))),
            operation => Err(PacketError::UnknownOperation { operation }),
        }
    }

    /// Encodes the packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Encodes the packet into `bytes`, replacing its contents and reusing its memory.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let mut put = |part: &[u8]| bytes.extend_from_slice(part);
        match self {
            Packet::Read(request) => {
                put(&READ.to_be_bytes());
                put(&request.name);
                put(match request.mode {
                    Mode::Octet => b"\0octet\0",
                    Mode::Netascii => b"\0netascii\0",
                    Mode::Other => b"\0mail\0",
                });
                put(&option_bytes(&request.options));
            }
            // With an empty name: this server refuses every write.
            Packet::Write => put(&[0, 2, 0, b'o', b'c', b't', b'e', b't', 0]),
            Packet::Data { block, payload } => {
                put(&Packet::data_header(*block));
                put(payload);
            }
            Packet::Ack { block } => {
                put(&ACK.to_be_bytes());
                put(&block.to_be_bytes());
            }
            Packet::Error { code, message } => {
                put(&ERROR.to_be_bytes());
                put(&code.to_be_bytes());
                put(message);
                put(&[0]);
            }
            Packet::OptionAck(options) => {
                put(&OPTION_ACK.to_be_bytes());
                put(&option_bytes(options));
            }
        }
    }

    /// What comes before the data of a block.
    pub(super) fn data_header(block: u16) -> [u8; 4] {
        let ([one, two], [three, four]) = (DATA.to_be_bytes(), block.to_be_bytes());
        [one, two, three, four]
    }

    /// An ERROR from this server.
    pub fn error(code: ErrorCode, message: &'a str) -> Packet<'a> {
        Packet::Error {
            code: code as u16,
            message: message.as_bytes(),
        }
    }

    /// The answer to a request for a file that is not served. shim and GRUB request several
    /// optional files and wait for this answer before they continue.
    pub fn not_found() -> Packet<'static> {
        Packet::error(ErrorCode::NotFound, "File not found")
    }

    /// The answer to a write request.
    pub fn read_only() -> Packet<'static> {
        Packet::error(ErrorCode::AccessViolation, "This server only sends files")
    }
}

impl ReadRequest {
    fn decode(bytes: &[u8]) -> Result<ReadRequest, PacketError> {
        let mut strings = strings(bytes);
        let name = strings.next().filter(|name| !name.is_empty());
        let name = name
            .ok_or(PacketError::Incomplete {
                missing: "a file name",
            })?
            .to_vec();
        let mode = strings
            .next()
            .ok_or(PacketError::Incomplete { missing: "a mode" })?;
        let mode = match mode {
            m if m.eq_ignore_ascii_case(b"octet") => Mode::Octet,
            m if m.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
            _ => Mode::Other,
        };
        Ok(ReadRequest {
            name,
            mode,
            options: options(&mut strings),
        })
    }

    /// The value of an option; names are case-insensitive (RFC 2347).
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self
            .options
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

fn word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*word), rest))
}

/// The null-terminated strings of a request. The last null may be missing: some ROMs
/// omit it.
fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .strip_suffix(&[0])
        .unwrap_or(bytes)
        .split(|byte| *byte == 0)
}

/// Pairs of names and values. A name without a value is dropped, and so is a pair that is not
/// ASCII: all options defined by RFCs are.
fn options<'a>(strings: &mut impl Iterator<Item = &'a [u8]>) -> Vec<(String, String)> {
    let mut options = Vec::new();
    while let (Some(name), Some(value)) = (strings.next(), strings.next()) {
        if options.len() == MAX_OPTIONS {
            break;
        }
        let text = |bytes: &[u8]| {
            bytes
                .is_ascii()
                .then(|| String::from_utf8_lossy(bytes).into_owned())
        };
        if let (Some(name), Some(value)) = (text(name).filter(|name| !name.is_empty()), text(value))
        {
            options.push((name, value));
        }
    }
    options
}

fn option_bytes(options: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in options {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Packet<'static> {
        let options = options
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Packet::Read(ReadRequest {
            name: b"snponly.efi".to_vec(),
            mode: Mode::Octet,
            options,
        })
    }

    #[test]
    fn the_read_request_of_ovmf_is_decoded() {
        let bytes = b"\x00\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
        let expected = read(&[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")]);
        assert_eq!(Packet::decode(bytes), Ok(expected.clone()));
        assert_eq!(expected.encode(), bytes);
    }

    #[test]
    fn a_missing_last_null_and_an_option_without_a_value_are_accepted() {
        assert_eq!(Packet::decode(b"\x00\x01snponly.efi\0OCTET"), Ok(read(&[])));
        let odd = b"\x00\x01snponly.efi\0octet\0tsize\x000\0blksize";
        assert_eq!(Packet::decode(odd), Ok(read(&[("tsize", "0")])));
    }

    #[test]
    fn malformed_packets_are_reported() {
        assert_eq!(
            Packet::decode(b"\x00"),
            Err(PacketError::TooShort {
                operation: 0,
                len: 1
            })
        );
        assert_eq!(
            Packet::decode(b"\x00\x04\x00"),
            Err(PacketError::TooShort {
                operation: 4,
                len: 3
            })
        );
        assert_eq!(
            Packet::decode(b"\x00\x09ab"),
            Err(PacketError::UnknownOperation { operation: 9 })
        );
        assert_eq!(
            Packet::decode(b"\x00\x01\0octet\0"),
            Err(PacketError::Incomplete {
                missing: "a file name"
            })
        );
        assert_eq!(
            Packet::decode(b"\x00\x01a\0"),
            Err(PacketError::Incomplete { missing: "a mode" })
        );
    }

    #[test]
    fn at_most_sixteen_options_are_kept() {
        let mut bytes = b"\x00\x01a\0octet\0".to_vec();
        for _ in 0..1000 {
            bytes.extend_from_slice(b"x\0y\0");
        }
        let Ok(Packet::Read(request)) = Packet::decode(&bytes) else {
            panic!("no read request")
        };
        assert_eq!(request.options.len(), MAX_OPTIONS);
    }
}
