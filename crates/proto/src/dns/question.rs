//! A query for the addresses of a name.

use super::name::Name;

/// Type A, class IN (RFC 1035 §3.2).
pub(super) const A: u16 = 1;
/// Type CNAME.
pub(super) const CNAME: u16 = 5;
/// Class IN.
pub(super) const INTERNET: u16 = 1;
/// Flags: recursion desired, nothing else (RFC 1035 §4.1.1).
const RECURSION_DESIRED: u16 = 0x0100;

/// A DNS query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub(super) id: u16,
    pub(super) name: Name,
}

impl Question {
    /// A query for the IPv4 addresses of `name`. `id` should be random, and so should the source port: they
    /// protect against forged answers (RFC 5452).
    pub fn new(id: u16, name: Name) -> Self {
        Self { id, name }
    }

    /// The queried name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The datagram to send.
    pub fn datagram(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.name.wire().len());
        // One question, no records.
        for word in [self.id, RECURSION_DESIRED, 1, 0, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(self.name.wire());
        for word in [A, INTERNET] {
            bytes.extend(word.to_be_bytes());
        }
        bytes
    }
}
