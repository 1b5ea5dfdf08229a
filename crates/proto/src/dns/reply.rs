//! Checking a name server's answer.

use std::net::{IpAddr, Ipv4Addr};

use super::name::Name;
use super::question::{A, CNAME, INTERNET, Question};

/// The most addresses used from one answer.
const MAX_ADDRESSES: usize = 8;
/// The most records examined: a datagram without extensions holds fewer.
const MAX_RECORDS: usize = 64;
/// The longest chain of aliases that is followed.
const MAX_ALIASES: usize = 8;

const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const OPCODE: u16 = 0x7800;
const CODE: u16 = 0x000f;

/// A server's answer about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The addresses, in the server's order: at least one, at most eight.
    Addresses(Vec<IpAddr>),
    /// An alias whose address is not in the answer: query this name.
    Alias(Name),
    /// The name does not exist, or has no IPv4 address.
    Nothing,
    /// The server failed or refused to answer (SERVFAIL, REFUSED, …): ask another.
    Failed {
        /// RCODE (RFC 1035 §4.1.1).
        code: u8,
    },
}

/// Why a datagram is not an answer to the query; keep waiting for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// A query, another kind of message, or too short.
    NotAResponse,
    /// It has another identifier or answers another question.
    AnotherQuestion,
    /// A record that is cut off, or an invalid name.
    Malformed,
}

impl Question {
    /// Checks a datagram received from the server that was queried.
    ///
    /// Only records of the queried name and its aliases are used. A truncated answer is used as far as it goes:
    /// the first addresses of a long list are enough.
    ///
    /// # Errors
    /// If the datagram is not an answer to this query, with the reason.
    pub fn answer(&self, datagram: &[u8]) -> Result<Answer, Ignored> {
        let word = |at| read_u16(datagram, at);
        let (Some(id), Some(flags), Some(questions), Some(records)) =
            (word(0), word(2), word(4), word(6))
        else {
            return Err(Ignored::NotAResponse);
        };
        if flags & RESPONSE == 0 || flags & OPCODE != 0 || datagram.len() < 12 {
            return Err(Ignored::NotAResponse);
        }
        if id != self.id || questions != 1 {
            return Err(Ignored::AnotherQuestion);
        }
        let (asked, at) = Name::read(datagram, 12).ok_or(Ignored::Malformed)?;
        if asked != self.name || word(at) != Some(A) || word(at + 2) != Some(INTERNET) {
            return Err(Ignored::AnotherQuestion);
        }
        match flags & CODE {
            0 => {}
            3 => return Ok(Answer::Nothing),
            code => {
                let code = u8::try_from(code).unwrap_or(u8::MAX);
                return Ok(Answer::Failed { code });
            }
        }
        let truncated = flags & TRUNCATED != 0;
        let mut found = Records::default();
        let mut at = at + 4;
        for _ in 0..usize::from(records).min(MAX_RECORDS) {
            match found.take(datagram, at) {
                Some(next) => at = next,
                None if truncated => break,
                None => return Err(Ignored::Malformed),
            }
        }
        Ok(found.follow(&self.name))
    }
}

/// The address and alias records of an answer.
#[derive(Default)]
struct Records {
    aliases: Vec<(Name, Name)>,
    addresses: Vec<(Name, IpAddr)>,
}

impl Records {
    /// Reads the record at `at` and returns the offset of the next one; `None` if it is cut off.
    fn take(&mut self, message: &[u8], at: usize) -> Option<usize> {
        let (owner, at) = Name::read(message, at)?;
        let (kind, class) = (read_u16(message, at)?, read_u16(message, at + 2)?);
        // Skips the four bytes of the TTL, which a boot does not need.
        let length = usize::from(read_u16(message, at + 8)?);
        let (start, end) = (at + 10, at + 10 + length);
        let data = message.get(start..end)?;
        match (kind, class, data) {
            (A, INTERNET, &[a, b, c, d]) => {
                self.addresses
                    .push((owner, Ipv4Addr::new(a, b, c, d).into()));
            }
            (CNAME, INTERNET, _) => self.aliases.push((owner, Name::read(message, start)?.0)),
            _ => {}
        }
        Some(end)
    }

    /// The addresses of `name`, following its aliases.
    fn follow(&self, name: &Name) -> Answer {
        let mut here = name;
        for _ in 0..=MAX_ALIASES {
            let addresses: Vec<IpAddr> = self
                .addresses
                .iter()
                .filter(|(owner, address)| owner == here && is_a_host(*address))
                .map(|(_, address)| *address)
                .take(MAX_ADDRESSES)
                .collect();
            if !addresses.is_empty() {
                return Answer::Addresses(addresses);
            }
            match self.aliases.iter().find(|(owner, _)| owner == here) {
                Some((_, target)) => here = target,
                None if here == name => return Answer::Nothing,
                None => return Answer::Alias(here.clone()),
            }
        }
        // The aliases form a loop.
        Answer::Nothing
    }
}

/// Whether a server could be reached at this address from another machine.
fn is_a_host(address: IpAddr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && address != Ipv4Addr::BROADCAST
}

fn read_u16(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
