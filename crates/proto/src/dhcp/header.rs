//! The fixed part of a DHCP message (RFC 2131 §2).

use std::net::Ipv4Addr;

use netroot_net::Mac;
use smoltcp::wire::{DhcpOpCode, DhcpPacket};
use thiserror::Error;

use super::hardware::Hardware;

/// Bytes before the options: header and magic cookie.
pub const LEN: usize = 240;
/// What stands before the options (RFC 2131 §3).
pub const MAGIC: u32 = 0x6382_5363;
/// The offset of `chaddr` in a message.
const CHADDR: std::ops::Range<usize> = 28..44;
/// The offset of `sname` in a message.
pub(super) const SNAME: std::ops::Range<usize> = 44..108;
/// The offset of `file` in a message.
pub(super) const FILE: std::ops::Range<usize> = 108..236;

/// The fields of the header that the boot uses. `sname` and `file` are apart, in
/// [`super::options::Message`], since they may hold options instead of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// True for a client's message (`op` 1), false for a server's (`op` 2).
    pub from_client: bool,
    /// Relays passed so far.
    pub hops: u8,
    /// The transaction that the client chose (`xid`).
    pub transaction: u32,
    /// Seconds since the client began to ask.
    pub secs: u16,
    /// The flags word; bit 15 asks for broadcast replies.
    pub flags: u16,
    /// The address that the client already uses (`ciaddr`).
    pub client_ip: Ipv4Addr,
    /// The address given to the client (`yiaddr`).
    pub your_ip: Ipv4Addr,
    /// The server of the next boot step (`siaddr`).
    pub next_server: Ipv4Addr,
    /// The relay that passed this on (`giaddr`).
    pub relay_ip: Ipv4Addr,
    /// The client's hardware address (`chaddr`).
    pub mac: Mac,
    /// What the client's hardware is, if not Ethernet: `mac` is then made of what it says about
    /// itself ([`super::hardware`]).
    pub hardware: Option<Hardware>,
}

/// The flag by which a client asks for broadcast replies.
pub const BROADCAST_FLAG: u16 = 0x8000;

/// Why a datagram is no DHCP message at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Shorter than the fixed part.
    #[error("{len} bytes are too few for a DHCP message, which has at least {LEN}")]
    TooShort {
        /// Bytes that came.
        len: usize,
    },
    /// `op` is neither 1 nor 2.
    #[error("op is {op}, neither a request (1) nor a reply (2)")]
    UnknownOp {
        /// The value found.
        op: u8,
    },
    /// Not Ethernet, or a hardware address that is not six bytes long.
    #[error("hardware type {kind} with addresses of {len} bytes is not Ethernet (1, 6)")]
    NotEthernet {
        /// `htype`.
        kind: u16,
        /// `hlen`.
        len: u8,
    },
    /// The options do not begin with the magic cookie: plain BOOTP, or noise.
    #[error("magic cookie {found:#010x} instead of {MAGIC:#010x}: not DHCP")]
    NoMagic {
        /// The four bytes found.
        found: u32,
    },
}

impl Header {
    /// What a client says that has no address yet.
    pub fn of_client(mac: Mac, transaction: u32) -> Header {
        Header {
            from_client: true,
            hops: 0,
            transaction,
            secs: 0,
            flags: 0,
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: Ipv4Addr::UNSPECIFIED,
            next_server: Ipv4Addr::UNSPECIFIED,
            relay_ip: Ipv4Addr::UNSPECIFIED,
            mac,
            hardware: None,
        }
    }

    /// True for a server's answer to what `mac` asked by this transaction.
    pub fn answers(&self, mac: Mac, transaction: u32) -> bool {
        !self.from_client && self.transaction == transaction && self.mac == mac
    }

    /// Reads the fixed part of a UDP payload.
    pub fn read(datagram: &[u8]) -> Result<Header, HeaderError> {
        let header = Header::of_any_hardware(datagram)?;
        // Some servers answer with hlen 0; the address is present anyway. More than
        // six bytes (InfiniBand) would be cut, so that is refused.
        match header.hardware {
            Some(Hardware {
                kind: 1, length: 0, ..
            }) if !header.from_client => Ok(Header {
                hardware: None,
                ..header
            }),
            Some(Hardware { kind, length, .. }) => Err(HeaderError::NotEthernet {
                kind: kind.into(),
                len: length,
            }),
            None => Ok(header),
        }
    }

    /// The same, whatever hardware it is about.
    pub(super) fn of_any_hardware(datagram: &[u8]) -> Result<Header, HeaderError> {
        let Ok(packet) = DhcpPacket::new_checked(datagram) else {
            return Err(HeaderError::TooShort {
                len: datagram.len(),
            });
        };
        let from_client = match packet.opcode() {
            DhcpOpCode::Request => true,
            DhcpOpCode::Reply => false,
            DhcpOpCode::Unknown(op) => return Err(HeaderError::UnknownOp { op }),
        };
        let hardware = match datagram {
            [_, 1, 6, ..] => None,
            [_, kind, length, ..] => Some(Hardware {
                kind: *kind,
                length: *length,
                address: datagram
                    .get(CHADDR)
                    .and_then(|field| field.try_into().ok())
                    .unwrap_or_default(),
            }),
            _ => None,
        };
        if packet.magic_number() != MAGIC {
            return Err(HeaderError::NoMagic {
                found: packet.magic_number(),
            });
        }
        Ok(Header {
            from_client,
            hops: packet.hops(),
            transaction: packet.transaction_id(),
            secs: packet.secs(),
            flags: packet.flags().bits(),
            client_ip: packet.client_ip(),
            your_ip: packet.your_ip(),
            next_server: packet.server_ip(),
            relay_ip: packet.relay_agent_ip(),
            mac: Mac(packet.client_hardware_address().0),
            hardware,
        })
    }

    /// True when the client asked for broadcast replies.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST_FLAG != 0
    }
}
