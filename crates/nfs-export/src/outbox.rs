//! Replies on their way out, in one buffer whose memory is initialised once and used again.

use std::io;

use nfs3_types::xdr_codec::Pack;

/// Above this many bytes the memory is given back while the client is silent.
const SMALL: usize = 16 * 1024;

/// A buffer of replies. Unlike a `Vec` it keeps its bytes initialised beyond its end, so that a READ of a mebibyte
/// goes from the page cache into it without being zeroed first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    length: usize,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Takes back what was written after `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Adds `length` bytes and returns them to be filled: what they hold is left over from earlier.
    pub(crate) fn extend(&mut self, length: usize) -> &mut [u8] {
        let start = self.length;
        let end = start.saturating_add(length);
        if self.buffer.len() < end {
            self.buffer.resize(end.max(512), 0);
        }
        self.length = end;
        self.buffer.get_mut(start..end).unwrap_or_default()
    }

    /// The bytes from `start` on, to be changed.
    pub(crate) fn tail(&mut self, start: usize) -> &mut [u8] {
        self.buffer.get_mut(start..self.length).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.extend(bytes.len()).copy_from_slice(bytes);
    }

    pub(crate) fn pack(&mut self, value: &impl Pack) {
        // Packing fails when the writer does, which this one does not, or when an opaque has 4 GiB, which none has.
        let _ = value.pack(self);
    }

    /// Starts a record (RFC 5531 §11) and returns where; [`Outbox::end_record`] takes that.
    pub(crate) fn begin_record(&mut self) -> usize {
        let start = self.length;
        self.push(&[0; 4]);
        start
    }

    pub(crate) fn end_record(&mut self, start: usize) {
        let length = self.length.saturating_sub(start).saturating_sub(4);
        let mark = u32::try_from(length).unwrap_or_default() | 0x8000_0000;
        if let Some(header) = self.tail(start).first_chunk_mut::<4>() {
            *header = mark.to_be_bytes();
        }
    }

    pub(crate) fn is_big(&self) -> bool {
        self.buffer.capacity() > SMALL
    }

    /// Gives the memory back; what was not sent is lost.
    pub(crate) fn shrink(&mut self) {
        *self = Self::default();
    }
}

impl io::Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_marked_with_its_length() {
        let mut out = Outbox::default();
        out.push(b"before");
        let record = out.begin_record();
        out.push(b"12345678");
        out.end_record(record);
        assert_eq!(out.as_bytes(), b"before\x80\0\0\x0812345678");
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let mut out = Outbox::default();
        out.push(b"kept");
        let mark = out.len();
        out.extend(100_000).fill(1);
        out.truncate(mark);
        out.push(b"!");
        assert_eq!(out.as_bytes(), b"kept!");
        assert!(out.is_big());
        out.shrink();
        assert!(!out.is_big());
    }
}
