//! Messages written byte by byte.
//!
//! smoltcp's writer zeroes `sname` and `file`, which is where shim and some ROMs read the
//! boot file's name, and it refuses values above 255 bytes.

use super::code;
use super::header::{FILE, Header, LEN, MAGIC, SNAME};

/// BOOTP's length (RFC 951): some ROMs and relays drop shorter messages.
const SHORTEST: usize = 300;
/// Every client takes 576 bytes of IP, so 548 of UDP payload (RFC 2131 §2).
pub const SAFE_LENGTH: usize = 548;
/// EDK2 drops replies that are longer, whatever it announces in option 57.
pub const LONGEST: usize = 1472;

/// A message to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The fixed fields.
    pub header: Header,
    /// `sname`; omitted if longer than 63 bytes.
    pub server_name: Vec<u8>,
    /// `file`; omitted if longer than 127 bytes.
    pub file: Vec<u8>,
    options: Vec<(u8, Vec<u8>)>,
    relay_agent: Option<Vec<u8>>,
}

/// A message written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The UDP payload.
    pub bytes: Vec<u8>,
    /// Options that did not fit.
    pub left_out: Vec<u8>,
}

impl Draft {
    /// A message without names and options.
    pub fn new(header: Header) -> Draft {
        Draft {
            header,
            server_name: Vec::new(),
            file: Vec::new(),
            options: Vec::new(),
            relay_agent: None,
        }
    }

    /// Adds an option. Options are written in the order in which they are added, so add the
    /// most important first: the last ones are left out if they do not fit.
    pub fn push(&mut self, code: u8, value: &[u8]) -> &mut Draft {
        self.options.push((code, value.to_vec()));
        self
    }

    /// Adds one zero byte (RFC 2132 §3.1).
    pub fn push_pad(&mut self) -> &mut Draft {
        self.push(code::PAD, &[])
    }

    /// Adds a list of addresses, unless it is empty.
    pub fn push_addresses(&mut self, code: u8, addresses: &[std::net::Ipv4Addr]) -> &mut Draft {
        if !addresses.is_empty() {
            let value: Vec<u8> = addresses
                .iter()
                .flat_map(|address| address.octets())
                .collect();
            self.push(code, &value);
        }
        self
    }

    /// Returns a relay's option; it is written last (RFC 3046 §2.2).
    pub fn relay_agent(&mut self, value: Option<&[u8]>) -> &mut Draft {
        self.relay_agent = value.map(<[u8]>::to_vec);
        self
    }

    /// Writes the message in at most `longest` bytes, padded to 300.
    pub fn emit(&self, longest: usize) -> Emitted {
        let header = &self.header;
        let mut bytes = Vec::with_capacity(longest.max(SHORTEST));
        let (kind, length) = header
            .hardware
            .map_or((1, 6), |hardware| (hardware.kind, hardware.length));
        let op = if header.from_client { 1 } else { 2 };
        bytes.extend_from_slice(&[op, kind, length, header.hops]);
        bytes.extend_from_slice(&header.transaction.to_be_bytes());
        bytes.extend_from_slice(&header.secs.to_be_bytes());
        bytes.extend_from_slice(&header.flags.to_be_bytes());
        for address in [
            header.client_ip,
            header.your_ip,
            header.next_server,
            header.relay_ip,
        ] {
            bytes.extend_from_slice(&address.octets());
        }
        match &header.hardware {
            Some(hardware) => bytes.extend_from_slice(&hardware.address),
            None => bytes.extend_from_slice(&header.mac.0),
        }
        // A name needs its final zero: some ROMs read on without one.
        for (field, name) in [(SNAME, &self.server_name), (FILE, &self.file)] {
            bytes.resize(field.start, 0);
            if name.len() < field.len() {
                bytes.extend_from_slice(name);
            }
            bytes.resize(field.end, 0);
        }
        bytes.extend_from_slice(&MAGIC.to_be_bytes());
        debug_assert_eq!(bytes.len(), LEN);

        let relay = self
            .relay_agent
            .as_ref()
            .map(|value| encoded(code::RELAY_AGENT, value))
            .unwrap_or_default();
        let mut left_out = Vec::new();
        // Never a part of it (RFC 3046 §2.2); one that fits no message is no relay's.
        let relay = if LEN + relay.len() < longest {
            relay
        } else {
            left_out.push(code::RELAY_AGENT);
            Vec::new()
        };
        let room = longest.saturating_sub(relay.len() + 1);
        for (code, value) in &self.options {
            let option = encoded(*code, value);
            if bytes.len() + option.len() <= room {
                bytes.extend_from_slice(&option);
            } else {
                left_out.push(*code);
            }
        }
        bytes.extend_from_slice(&relay);
        bytes.push(code::END);
        if bytes.len() < SHORTEST {
            bytes.resize(SHORTEST, code::PAD);
        }
        Emitted { bytes, left_out }
    }
}

/// An option (of a pad only its code), split where it is longer than 255 bytes (RFC 3396 §6).
fn encoded(code: u8, value: &[u8]) -> Vec<u8> {
    if code == code::PAD {
        return vec![code::PAD];
    }
    let mut bytes = Vec::with_capacity(value.len() + 2);
    let mut rest = value;
    loop {
        let (part, after) = rest.split_at_checked(255).unwrap_or((rest, &[]));
        bytes.push(code);
        bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(part);
        rest = after;
        if rest.is_empty() {
            return bytes;
        }
    }
}
