//! The addresses from a first one to a last one.

use std::net::Ipv4Addr;

use thiserror::Error;

use netroot_net::Mac;

/// Most addresses that one range may have: a /16.
pub const LARGEST_RANGE: u32 = 65536;

/// Why a range is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RangeError {
    /// The end comes before the start.
    #[error("the range {first}-{last} ends before it starts")]
    Reversed {
        /// As given.
        first: Ipv4Addr,
        /// As given.
        last: Ipv4Addr,
    },
    /// More addresses than this server keeps in memory.
    #[error("the range {first}-{last} has {count} addresses; {LARGEST_RANGE} is the most")]
    TooLarge {
        /// As given.
        first: Ipv4Addr,
        /// As given.
        last: Ipv4Addr,
        /// How many addresses it has.
        count: u64,
    },
}

/// Addresses in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    first: u32,
    count: u32,
}

impl Range {
    /// From `first` to `last`, both included.
    pub(super) fn new(first: Ipv4Addr, last: Ipv4Addr) -> Result<Range, RangeError> {
        let (low, high) = (first.to_bits(), last.to_bits());
        if high < low {
            return Err(RangeError::Reversed { first, last });
        }
        let count = u64::from(high - low) + 1;
        match u32::try_from(count) {
            Ok(count) if count <= LARGEST_RANGE => Ok(Range { first: low, count }),
            _ => Err(RangeError::TooLarge { first, last, count }),
        }
    }

    /// How many addresses it has.
    pub(super) fn count(self) -> u32 {
        self.count
    }

    /// True for one of its addresses.
    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        let offset = address.to_bits().checked_sub(self.first);
        offset.is_some_and(|offset| offset < self.count)
    }

    /// The first and the last address.
    pub(super) fn ends(self) -> (Ipv4Addr, Ipv4Addr) {
        let last = self.first + (self.count - 1);
        (Ipv4Addr::from_bits(self.first), Ipv4Addr::from_bits(last))
    }

    /// Every address in order.
    pub(super) fn iter(self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.count).map(move |offset| Ipv4Addr::from_bits(self.first + offset))
    }

    /// Every address, in an order that starts at the first choice for a machine.
    pub(super) fn iter_for(self, mac: Mac) -> impl Iterator<Item = Ipv4Addr> {
        let start = hash(mac) % self.count;
        (0..self.count)
            .map(move |step| Ipv4Addr::from_bits(self.first + (start + step) % self.count))
    }
}

/// FNV-1a, 32 bits: spreads neighbouring MACs, and is the same on every machine and in
/// every version, unlike the standard library's hasher.
fn hash(mac: Mac) -> u32 {
    mac.0.iter().fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}
