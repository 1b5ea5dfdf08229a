//! Netlink messages (RFC 3549): building requests and parsing replies. Pure.
//!
//! Hand-written rather than from the rust-netlink crates: see the size table in the init's `net/netlink.rs`. The server follows
//! the same few attributes of links and addresses.

use std::net::IpAddr;

/// `NLMSG_ERROR`.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`.
pub const DONE: u16 = 3;

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x01;
/// `NLM_F_ACK`.
pub const ACK: u16 = 0x04;
/// `NLM_F_ROOT | NLM_F_MATCH`: all objects.
pub const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_CREATE`.
pub const CREATE: u16 = 0x400;

const HEADER: usize = 16;

/// A request under construction: header, the family's fixed part, attributes.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of this type and these `NLM_F_` flags, with the family's fixed part behind the header.
    pub fn new(kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(fixed);
        let mut request = Request { bytes };
        request.pad();
        request
    }

    /// Adds an attribute.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
        self
    }

    /// Adds an attribute that is an address.
    pub fn address(self, kind: u16, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    /// The message, its length filled in.
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len())
            .unwrap_or(u32::MAX)
            .to_ne_bytes();
        for (byte, value) in self.bytes.iter_mut().zip(length) {
            *byte = value;
        }
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// `AF_INET` or `AF_INET6`, the version of an address.
pub fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type: `RTM_NEWLINK`, [`ERROR`], [`DONE`].
    pub kind: u16,
    /// The sequence number of the request that it answers; 0 for notifications.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of one datagram. A truncated one ends the iteration.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let message = Message {
            kind: u16_at(bytes, 4)?,
            sequence: u32_at(bytes, 8)?,
            body: bytes.get(HEADER..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes after a fixed part: kind (without its flag bits) and value. A truncated one ends the iteration.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The number in an [`ERROR`] message's body: 0 for an acknowledgement, otherwise a negative errno.
pub fn error_number(body: &[u8]) -> Option<i32> {
    u32_at(body, 0).map(u32::cast_signed)
}

/// A native-endian number at an offset.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

/// A native-endian number at an offset.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_parsed_back_as_it_was_built() {
        let bytes = Request::new(16, REQUEST | ACK, 7, &[1; 16])
            .attribute(3, b"eth0\0")
            .attribute(4, &[9; 4])
            .finish();
        assert_eq!(bytes.len() % 4, 0);
        let all: Vec<_> = messages(&bytes).collect();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].kind, all[0].sequence), (16, 7));
        let found: Vec<_> = attributes(&all[0].body[16..]).collect();
        assert_eq!(found, [(3, &b"eth0\0"[..]), (4, &[9; 4][..])]);
    }

    #[test]
    fn two_messages_in_one_datagram_are_both_found() {
        let mut bytes = Request::new(16, 0, 1, &[]).finish();
        bytes.extend(Request::new(DONE, 0, 2, &[0; 4]).finish());
        assert_eq!(
            messages(&bytes).map(|m| m.sequence).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    proptest! {
        #[test]
        fn random_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let walked: usize = messages(&bytes).map(|m| m.body.len() + attributes(m.body).count()).sum();
            prop_assert!(walked <= 2 * bytes.len());
        }
    }
}
