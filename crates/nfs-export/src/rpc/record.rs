//! Record marking on TCP (RFC 5531 §11): cuts a stream into RPC messages, with a bound on everything.

use std::ops::Range;

/// The longest record that is taken, in bytes. The longest call worth reading is a WRITE of [`crate::programs::nfs::WRITE_SIZE`]
/// bytes, which is only read to be refused.
pub(crate) const LONGEST: usize = 64 * 1024;

/// The most fragments a record may come in. Every known client sends one.
const MOST_FRAGMENTS: u32 = 64;

/// An empty inbox's memory, in bytes: some dozens of calls.
const SMALL: usize = 8 * 1024;

/// Set in a fragment's header when it is the record's last.
const LAST: u32 = 0x8000_0000;

/// The stream cannot be a stream of calls; there is no way to find the next one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// The record is, or announces to be, longer than [`LONGEST`].
    #[error("a record of more than {LONGEST} bytes")]
    TooLong,
    /// The record comes in more than [`MOST_FRAGMENTS`] pieces.
    #[error("a record in more than {MOST_FRAGMENTS} fragments")]
    TooManyFragments,
}

/// Bytes received and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct RecordReader {
    buffer: Vec<u8>,
    filled: Range<usize>,
    /// The record so far, when it comes in several fragments.
    assembled: Vec<u8>,
    fragments: u32,
    /// The bytes that the next fragment needs, header included.
    wanted: usize,
}

impl RecordReader {
    /// Where to put received bytes; at least one, and room for the whole fragment whose header is known.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.filled.is_empty() {
            self.filled = 0..0;
        }
        let needed = self.wanted.max(1);
        if self.buffer.len().saturating_sub(self.filled.start) < needed
            || self.filled.end == self.buffer.len()
        {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let size = needed.max(self.filled.len().saturating_add(1)).max(SMALL);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        self.buffer.get_mut(self.filled.end..).unwrap_or_default()
    }

    /// That many bytes have been put into [`RecordReader::room`].
    pub(crate) fn received(&mut self, length: usize) {
        self.filled.end = self
            .filled
            .end
            .saturating_add(length)
            .min(self.buffer.len());
    }

    /// The next whole record, if it is there.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, RecordError> {
        if self.fragments == 0 {
            self.assembled.clear();
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
            if length > LONGEST - self.assembled.len().min(LONGEST) {
                return Err(RecordError::TooLong);
            }
            if !last && self.fragments >= MOST_FRAGMENTS {
                return Err(RecordError::TooManyFragments);
            }
            let Some(fragment) = rest.get(..length) else {
                self.wanted = length + 4;
                return Ok(None);
            };
            let body = self.filled.start + 4..self.filled.start + 4 + length;
            if last && self.fragments == 0 {
                self.filled.start = body.end;
                return Ok(self.buffer.get(body));
            }
            self.assembled.extend_from_slice(fragment);
            self.filled.start = body.end;
            if last {
                self.fragments = 0;
                return Ok(Some(&self.assembled));
            }
            self.fragments += 1;
        }
    }

    /// Gives memory back while the client is silent.
    pub(crate) fn shrink(&mut self) {
        if self.filled.is_empty() && self.fragments == 0 {
            *self = Self::default();
        }
    }

    /// Whether [`RecordReader::shrink`] would give anything back.
    pub(crate) fn is_big(&self) -> bool {
        self.buffer.len() > SMALL || self.assembled.capacity() > SMALL
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(last: bool, body: &[u8]) -> Vec<u8> {
        let mark = u32::try_from(body.len()).unwrap() | if last { LAST } else { 0 };
        [&mark.to_be_bytes()[..], body].concat()
    }

    /// Feeds a stream in pieces of the given sizes (over and over) and collects the records.
    fn records(stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut inbox = RecordReader::default();
        let mut found = Vec::new();
        let mut rest = stream;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let room = inbox.room();
            let length = (*pieces.next().unwrap())
                .max(1)
                .min(room.len())
                .min(rest.len());
            room[..length].copy_from_slice(&rest[..length]);
            inbox.received(length);
            rest = &rest[length..];
            while let Some(record) = inbox.next()? {
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
    fn an_announced_two_gigabytes_are_an_error_before_any_memory_is_taken() {
        let mut inbox = RecordReader::default();
        inbox.room()[..4].copy_from_slice(&[0xff; 4]);
        inbox.received(4);
        assert_eq!(inbox.next(), Err(RecordError::TooLong));
        assert!(!inbox.is_big());
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
    fn an_idle_inbox_gives_its_memory_back_but_never_a_half_received_record() {
        let mut inbox = RecordReader::default();
        let stream = fragment(true, &[7; 40_000]);
        let mut sent = 0;
        while sent < 30_000 {
            let room = inbox.room();
            let length = room.len().min(30_000 - sent);
            room[..length].copy_from_slice(&stream[sent..sent + length]);
            inbox.received(length);
            sent += length;
            assert!(inbox.next().unwrap().is_none());
        }
        inbox.shrink();
        assert!(inbox.is_big());
        while sent < stream.len() {
            let room = inbox.room();
            let length = room.len().min(stream.len() - sent);
            room[..length].copy_from_slice(&stream[sent..sent + length]);
            inbox.received(length);
            sent += length;
        }
        assert_eq!(inbox.next().unwrap().unwrap().len(), 40_000);
        inbox.shrink();
        assert!(!inbox.is_big());
    }

    proptest! {
        #[test]
        fn every_stream_of_records_comes_out_whole_however_it_is_cut(
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
        fn random_bytes_never_panic_nor_take_memory(stream in proptest::collection::vec(any::<u8>(), 0..3000), pieces in proptest::collection::vec(1..600_usize, 1..5)) {
            let mut inbox = RecordReader::default();
            let mut rest = &stream[..];
            'stream: for piece in pieces.iter().cycle() {
                if rest.is_empty() { break; }
                let room = inbox.room();
                let length = (*piece).min(room.len()).min(rest.len());
                room[..length].copy_from_slice(&rest[..length]);
                inbox.received(length);
                rest = &rest[length..];
                loop {
                    match inbox.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
            }
            prop_assert!(inbox.buffer.len() <= LONGEST + 4 + SMALL);
        }
    }
}
