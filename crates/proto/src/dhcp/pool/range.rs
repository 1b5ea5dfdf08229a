//! The addresses from a first one to a last one, in one row or several.

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
    /// An address in two ranges.
    #[error("the ranges {first}-{last} and {other_first}-{other_last} overlap")]
    Overlap {
        /// Of the one that begins lower.
        first: Ipv4Addr,
        /// Its end.
        last: Ipv4Addr,
        /// Of the other one.
        other_first: Ipv4Addr,
        /// Its end.
        other_last: Ipv4Addr,
    },
}

/// One or more rows of addresses, the lowest first.
#[derive(Debug, Clone)]
pub(super) struct Range {
    rows: Vec<Row>,
    count: u32,
}

/// Addresses in a row.
#[derive(Debug, Clone, Copy)]
struct Row {
    first: u32,
    count: u32,
}

impl Row {
    fn new(first: Ipv4Addr, last: Ipv4Addr) -> Result<Row, RangeError> {
        let (low, high) = (first.to_bits(), last.to_bits());
        if high < low {
            return Err(RangeError::Reversed { first, last });
        }
        let count = u64::from(high - low) + 1;
        match u32::try_from(count) {
            Ok(count) if count <= LARGEST_RANGE => Ok(Row { first: low, count }),
            _ => Err(RangeError::TooLarge { first, last, count }),
        }
    }

    fn ends(self) -> (Ipv4Addr, Ipv4Addr) {
        let last = self.first + (self.count - 1);
        (Ipv4Addr::from_bits(self.first), Ipv4Addr::from_bits(last))
    }
}

impl Range {
    /// From the first to the last address of each row, both included.
    pub(super) fn new(rows: &[(Ipv4Addr, Ipv4Addr)]) -> Result<Range, RangeError> {
        let rows = rows.iter().map(|(first, last)| Row::new(*first, *last));
        let mut rows = rows.collect::<Result<Vec<Row>, _>>()?;
        rows.sort_by_key(|row| row.first);
        for (before, after) in rows.iter().zip(rows.iter().skip(1)) {
            if after.first - before.first < before.count {
                let ((first, last), (other_first, other_last)) = (before.ends(), after.ends());
                return Err(RangeError::Overlap {
                    first,
                    last,
                    other_first,
                    other_last,
                });
            }
        }
        let count = rows.iter().map(|row| u64::from(row.count)).sum::<u64>();
        let ends = rows.first().zip(rows.last());
        let (first, last) = ends.map_or(
            (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
            |(low, high)| (low.ends().0, high.ends().1),
        );
        match u32::try_from(count) {
            Ok(count) if (1..=LARGEST_RANGE).contains(&count) => Ok(Range { rows, count }),
            _ => Err(RangeError::TooLarge { first, last, count }),
        }
    }

    /// How many addresses it has.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// True for one of its addresses.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.rows.iter().any(|row| {
            let offset = address.to_bits().checked_sub(row.first);
            offset.is_some_and(|offset| offset < row.count)
        })
    }

    /// The first and the last address of each row.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
        self.rows.iter().map(|row| row.ends())
    }

    /// Every address in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.count).map(|number| self.at(number))
    }

    /// Every address, in an order that starts at the first choice for a machine.
    pub(super) fn iter_for(&self, mac: Mac) -> impl Iterator<Item = Ipv4Addr> {
        let start = hash(mac) % self.count;
        (0..self.count).map(move |step| self.at((start + step) % self.count))
    }

    /// One of its addresses, which are counted from zero.
    fn at(&self, number: u32) -> Ipv4Addr {
        let mut left = number;
        for row in &self.rows {
            if left < row.count {
                return Ipv4Addr::from_bits(row.first + left);
            }
            left -= row.count;
        }
        Ipv4Addr::UNSPECIFIED
    }
}

/// FNV-1a, 32 bits: spreads neighbouring MACs, and is the same on every machine and in
/// every version, unlike the standard library's hasher.
fn hash(mac: Mac) -> u32 {
    mac.0.iter().fold(0x811c_9dc5, |hash, octet| {
        (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn two_rows_are_one_range() {
        let range = Range::new(&[(ip(200), ip(201)), (ip(10), ip(12))]).unwrap();
        let all: Vec<_> = range.iter().collect();
        assert_eq!(all, [ip(10), ip(11), ip(12), ip(200), ip(201)]);
        assert!(all.iter().all(|address| range.contains(*address)));
        assert!(!range.contains(ip(13)) && !range.contains(ip(199)) && !range.contains(ip(202)));
        let mut for_one: Vec<_> = range.iter_for(Mac([2, 0, 0, 0, 0, 1])).collect();
        for_one.sort_unstable();
        assert_eq!(for_one, all);
        let rows: Vec<_> = range.rows().collect();
        assert_eq!(rows, [(ip(10), ip(12)), (ip(200), ip(201))]);
    }

    #[test]
    fn rows_that_overlap_are_an_error() {
        let error = Range::new(&[(ip(12), ip(20)), (ip(10), ip(12))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the ranges 10.0.0.10-10.0.0.12 and 10.0.0.12-10.0.0.20 overlap"
        );
        assert!(Range::new(&[(ip(13), ip(20)), (ip(10), ip(12))]).is_ok());
        assert!(Range::new(&[]).is_err());
    }
}
