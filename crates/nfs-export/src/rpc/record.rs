//! Record marking on TCP (RFC 5531 §11): splits a stream into RPC messages, with limits on everything.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use netroot_limits::{ByteBudget, Charge};

/// The longest accepted record, in bytes. The longest call of a client is a WRITE of the `wtmax` that FSINFO reports
/// (32 KiB), which is received only to be refused.
pub(crate) const MAX_RECORD: usize = 64 * 1024;

/// The most fragments in a record. Every known client sends one.
const MAX_FRAGMENTS: u32 = 64;

/// The initial size of the buffer, in bytes: a few dozen calls. What a longer record takes is charged to its client.
const INITIAL_SIZE: usize = 4 * 1024;

/// Set in the header of a record's last fragment.
const LAST: u32 = 0x8000_0000;

/// The stream is not a stream of calls: the next one cannot be found in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// The record is longer than, or announces more than, [`MAX_RECORD`].
    #[error("a record of more than {MAX_RECORD} bytes")]
    TooLong,
    /// The record has more than [`MAX_FRAGMENTS`] fragments.
    #[error("a record in more than {MAX_FRAGMENTS} fragments")]
    TooManyFragments,
    /// The record is longer than an ordinary call, and its client has no budget left for it.
    #[error("no memory left for a long record of this client")]
    OverBudget,
}

/// Received bytes that are not answered yet.
#[derive(Debug)]
pub(crate) struct RecordReader {
    budget: Arc<ByteBudget>,
    client: IpAddr,
    /// For what is more than [`INITIAL_SIZE`].
    charge: Option<Charge>,
    buffer: Vec<u8>,
    filled: Range<usize>,
    /// The record so far, when it has several fragments.
    assembled: Vec<u8>,
    fragments: u32,
    /// The bytes that the next fragment needs, header included.
    wanted: usize,
}

impl RecordReader {
    pub(crate) fn new(budget: &Arc<ByteBudget>, client: IpAddr) -> Self {
        Self {
            budget: Arc::clone(budget),
            client,
            charge: None,
            buffer: Vec::new(),
            filled: 0..0,
            assembled: Vec::new(),
            fragments: 0,
            wanted: 0,
        }
    }

    /// Space for received bytes: at least one, and enough for the whole fragment whose header is known.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.filled.is_empty() {
            self.filled = 0..0;
            self.give_back();
        }
        let needed = self.wanted.max(1);
        if self.buffer.len().saturating_sub(self.filled.start) < needed
            || self.filled.end == self.buffer.len()
        {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let size = needed
            .max(self.filled.len().saturating_add(1))
            .max(INITIAL_SIZE);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        self.buffer.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// Notes that `length` bytes were written to [`RecordReader::space`].
    pub(crate) fn received(&mut self, length: usize) {
        self.filled.end = self
            .filled
            .end
            .saturating_add(length)
            .min(self.buffer.len());
    }

    /// The next complete record, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, RecordError> {
        if self.fragments == 0 && self.assembled.capacity() > 0 {
            self.assembled = Vec::new();
        }
        loop {
            let waiting = self.buffer.get(self.filled.clone()).unwrap_or_default();
            let Some((header, rest)) = waiting.split_first_chunk::<4>() else {
                self.wanted = 4;
                return Ok(None);
            };
            let header = u32::from_be_bytes(*header);
            let last = header & LAST != 0;
            let length = usize::try_from(header & !LAST).unwrap_or(usize::MAX);
            if length > MAX_RECORD - self.assembled.len().min(MAX_RECORD) {
                return Err(RecordError::TooLong);
            }
            if !last && self.fragments >= MAX_FRAGMENTS {
                return Err(RecordError::TooManyFragments);
            }
            let Some(fragment) = rest.get(..length) else {
                self.wanted = length + 4;
                charge(
                    &mut self.charge,
                    &self.budget,
                    self.client,
                    self.assembled.capacity() + self.wanted,
                )?;
                return Ok(None);
            };
            let body = self.filled.start + 4..self.filled.start + 4 + length;
            if last && self.fragments == 0 {
                self.filled.start = body.end;
                return Ok(self.buffer.get(body));
            }
            charge(
                &mut self.charge,
                &self.budget,
                self.client,
                self.assembled.len() + length + self.buffer.len(),
            )?;
            self.assembled.reserve_exact(length);
            self.assembled.extend_from_slice(fragment);
            self.filled.start = body.end;
            if last {
                self.fragments = 0;
                return Ok(Some(&self.assembled));
            }
            self.fragments += 1;
        }
    }

    /// Whether part of a record has been received.
    pub(crate) fn is_within_record(&self) -> bool {
        !self.filled.is_empty() || self.fragments > 0
    }

    /// Takes a buffer to receive with, unless it has one.
    pub(crate) fn borrow_buffer(&mut self, spare: &mut Vec<u8>) {
        if self.buffer.capacity() == 0 {
            std::mem::swap(&mut self.buffer, spare);
        }
    }

    /// Gives its buffer away if nothing is in it, unless it is longer than that of others.
    pub(crate) fn return_buffer(&mut self, spare: &mut Vec<u8>) {
        if !self.is_within_record() && self.charge.is_none() {
            self.filled = 0..0;
            let buffer = std::mem::take(&mut self.buffer);
            if buffer.len() <= INITIAL_SIZE {
                *spare = buffer;
            }
        }
    }

    /// Frees what a long record took.
    fn give_back(&mut self) {
        if self.fragments == 0 && self.wanted <= INITIAL_SIZE && self.charge.is_some() {
            self.buffer = Vec::new();
            self.assembled = Vec::new();
            self.charge = None;
        }
    }

    /// Frees memory while the client is idle.
    pub(crate) fn shrink(&mut self) {
        if !self.is_within_record() {
            *self = Self::new(&self.budget, self.client);
        }
    }

    /// Whether [`RecordReader::shrink`] would free anything.
    pub(crate) fn holds_memory(&self) -> bool {
        self.buffer.capacity() > 0 || self.assembled.capacity() > 0
    }
}

/// Charges `bytes` of a record to its client, unless every connection may have as many.
fn charge(
    charge: &mut Option<Charge>,
    budget: &Arc<ByteBudget>,
    client: IpAddr,
    bytes: usize,
) -> Result<(), RecordError> {
    if bytes <= 2 * INITIAL_SIZE {
        return Ok(());
    }
    let charged = match charge {
        Some(charge) => charge.bytes() >= bytes || charge.resize(bytes),
        None => {
            *charge = budget.charge(client, bytes);
            charge.is_some()
        }
    };
    charged.then_some(()).ok_or(RecordError::OverBudget)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader() -> RecordReader {
        let budget = ByteBudget::new(1 << 20, 1 << 20);
        RecordReader::new(&budget, [10, 0, 0, 1].into())
    }

    fn fragment(last: bool, body: &[u8]) -> Vec<u8> {
        let mark = u32::try_from(body.len()).unwrap() | if last { LAST } else { 0 };
        [&mark.to_be_bytes()[..], body].concat()
    }

    /// Receives all of `bytes`, as many at a time as the reader has space for.
    fn receive(reader: &mut RecordReader, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = reader.space();
            let length = space.len().min(bytes.len());
            space[..length].copy_from_slice(&bytes[..length]);
            reader.received(length);
            bytes = &bytes[length..];
        }
    }

    /// Feeds a stream in pieces of the given sizes, repeated, and collects the records.
    fn records(stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut reader = reader();
        let mut found = Vec::new();
        let mut rest = stream;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let space = reader.space();
            let length = (*pieces.next().unwrap())
                .max(1)
                .min(space.len())
                .min(rest.len());
            space[..length].copy_from_slice(&rest[..length]);
            reader.received(length);
            rest = &rest[length..];
            while let Some(record) = reader.next()? {
                found.push(record.to_vec());
            }
        }
        Ok(found)
    }

    #[test]
    fn a_record_in_three_fragments_is_one_record() {
        let stream = [
            fragment(false, b"ab"),
            fragment(false, b""),
            fragment(true, b"cd"),
            fragment(true, b"next"),
        ]
        .concat();
        assert_eq!(
            records(&stream, &[3]).unwrap(),
            [b"abcd".to_vec(), b"next".to_vec()]
        );
    }

    #[test]
    fn an_announced_length_of_two_gigabytes_is_an_error_and_allocates_nothing() {
        let mut reader = reader();
        reader.space()[..4].copy_from_slice(&[0xff; 4]);
        reader.received(4);
        assert_eq!(reader.next(), Err(RecordError::TooLong));
        assert!(reader.buffer.len() <= INITIAL_SIZE);
    }

    #[test]
    fn fragments_that_add_up_to_too_much_are_an_error() {
        let stream = [fragment(false, &[0; 40_000]), fragment(true, &[0; 40_000])].concat();
        assert_eq!(records(&stream, &[1000]), Err(RecordError::TooLong));
    }

    #[test]
    fn endless_empty_fragments_are_an_error() {
        let stream = fragment(false, b"").repeat(100);
        assert_eq!(records(&stream, &[7]), Err(RecordError::TooManyFragments));
    }

    #[test]
    fn a_long_record_is_charged_until_the_next_one() {
        let budget = ByteBudget::new(100_000, 100_000);
        let mut reader = RecordReader::new(&budget, [10, 0, 0, 1].into());
        let mut other = RecordReader::new(&budget, [10, 0, 0, 1].into());
        let stream = fragment(true, &[7; 60_000]);
        for reader in [&mut reader, &mut other] {
            reader.space()[..1000].copy_from_slice(&stream[..1000]);
            reader.received(1000);
        }
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(budget.charged(), 60_004);
        assert_eq!(other.next(), Err(RecordError::OverBudget));
        receive(&mut reader, &stream[1000..]);
        assert_eq!(reader.next().unwrap().unwrap().len(), 60_000);
        assert_eq!(reader.next(), Ok(None));
        assert!(!reader.is_within_record());
        assert!(reader.space().len() <= INITIAL_SIZE);
        assert_eq!(budget.charged(), 0);
    }

    #[test]
    fn an_idle_reader_frees_its_memory_but_never_half_a_record() {
        let mut reader = reader();
        let stream = fragment(true, &[7; 40_000]);
        let mut sent = 0;
        while sent < 30_000 {
            let space = reader.space();
            let length = space.len().min(30_000 - sent);
            space[..length].copy_from_slice(&stream[sent..sent + length]);
            reader.received(length);
            sent += length;
            assert!(reader.next().unwrap().is_none());
        }
        reader.shrink();
        assert!(reader.holds_memory());
        receive(&mut reader, &stream[sent..]);
        assert_eq!(reader.next().unwrap().unwrap().len(), 40_000);
        reader.shrink();
        assert!(reader.buffer.len() <= INITIAL_SIZE);
    }

    proptest! {
        #[test]
        fn every_stream_of_records_is_read_whole_however_it_is_split(
            bodies in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9000), 1..4), 0..6),
            pieces in proptest::collection::vec(1..6000_usize, 1..10),
        ) {
            let stream: Vec<u8> = bodies.iter().flat_map(|fragments| {
                fragments.iter().enumerate().flat_map(|(index, body)| fragment(index + 1 == fragments.len(), body))
            }).collect();
            let expected: Vec<Vec<u8>> = bodies.iter().map(|fragments| fragments.concat()).collect();
            prop_assert_eq!(records(&stream, &pieces).unwrap(), expected);
        }

        #[test]
        fn random_bytes_never_panic_and_allocate_little(stream in proptest::collection::vec(any::<u8>(), 0..3000), pieces in proptest::collection::vec(1..600_usize, 1..5)) {
            let mut reader = reader();
            let mut rest = &stream[..];
            'stream: for piece in pieces.iter().cycle() {
                if rest.is_empty() { break; }
                let space = reader.space();
                let length = (*piece).min(space.len()).min(rest.len());
                space[..length].copy_from_slice(&rest[..length]);
                reader.received(length);
                rest = &rest[length..];
                loop {
                    match reader.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
            prop_assert!(reader.buffer.len() <= MAX_RECORD + 4 + INITIAL_SIZE);
        }
    }
}
