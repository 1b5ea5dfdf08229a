//! Replies on their way out, in one buffer whose memory is initialised once and used again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netroot_sys::pages::Pages;
use nfs3_types::xdr_codec::Pack;

/// Above this many bytes a buffer is given back while the client is silent.
const SMALL: usize = 16 * 1024;

/// What a reply may take without pages of its own, in bytes: a READ is then cut short, which makes the client ask for
/// the rest.
const MODEST: usize = 64 * 1024;

/// A buffer with pages of its own, in bytes: collected replies and the longest READ on top.
const LARGE: usize = 1536 * 1024;

/// Large buffers at the same time, of all connections together: 96 MiB.
const MOST_LARGE: usize = 64;

/// The large buffers that may still be taken.
#[derive(Debug)]
pub(crate) struct BufferBudget(AtomicUsize);

impl Default for BufferBudget {
    fn default() -> Self {
        Self(AtomicUsize::new(MOST_LARGE))
    }
}

impl BufferBudget {
    fn take(self: &Arc<Self>) -> Option<Permit> {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        taken.is_ok().then(|| Permit(Arc::clone(self)))
    }
}

#[derive(Debug)]
struct Permit(Arc<BufferBudget>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A buffer of replies. Unlike a `Vec` it keeps its bytes initialised beyond its end, so that a READ of a mebibyte
/// goes from the page cache into it without being zeroed first.
#[derive(Debug, Default)]
pub(crate) struct ReplyBuffer {
    memory: Memory,
    length: usize,
    budget: Arc<BufferBudget>,
}

#[derive(Debug)]
enum Memory {
    Small(Vec<u8>),
    Large(
        Pages,
        #[expect(dead_code, reason = "held, not read")] Permit,
    ),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Memory {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(pages, _) => pages,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(pages, _) => pages,
        }
    }
}

impl ReplyBuffer {
    pub(crate) fn new(budget: &Arc<BufferBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            ..Self::default()
        }
    }

    /// Of `wanted` bytes, those that the next reply may take.
    pub(crate) fn allowance(&mut self, wanted: usize) -> usize {
        let needed = self.length.saturating_add(wanted);
        if needed > MODEST && matches!(self.memory, Memory::Small(_)) {
            self.enlarge();
        }
        let room = match &self.memory {
            Memory::Small(_) => MODEST,
            Memory::Large(pages, _) => pages.len().saturating_sub(self.length),
        };
        wanted.min(room)
    }

    fn enlarge(&mut self) {
        let Some(permit) = self.budget.take() else {
            return;
        };
        let Ok(mut pages) = Pages::new(LARGE) else {
            return;
        };
        if let Some(kept) = pages.get_mut(..self.length) {
            kept.copy_from_slice(self.as_bytes());
            self.memory = Memory::Large(pages, permit);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Whether what is here should be sent before more is added.
    pub(crate) fn is_full(&self) -> bool {
        match &self.memory {
            Memory::Small(_) => self.length >= MODEST,
            // Room for the longest READ is left.
            Memory::Large(pages, _) => self.length >= pages.len() / 6,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.memory.bytes().get(..self.length).unwrap_or_default()
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
        if self.memory.bytes().len() < end {
            let mut bytes = self.memory.bytes().to_vec();
            bytes.resize(end.next_power_of_two().max(512), 0);
            self.memory = Memory::Small(bytes);
        }
        self.length = end;
        self.memory
            .bytes_mut()
            .get_mut(start..end)
            .unwrap_or_default()
    }

    /// The bytes from `start` on, to be changed.
    pub(crate) fn tail(&mut self, start: usize) -> &mut [u8] {
        self.memory
            .bytes_mut()
            .get_mut(start..self.length)
            .unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.extend(bytes.len()).copy_from_slice(bytes);
    }

    pub(crate) fn pack(&mut self, value: &impl Pack) {
        // Packing fails when the writer does, which this one does not, or when an opaque has 4 GiB, which none has.
        let _ = value.pack(self);
    }

    /// Starts a record (RFC 5531 §11) and returns where; [`ReplyBuffer::end_record`] takes that.
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
        self.memory.bytes().len() > SMALL
    }

    /// Gives the memory back; what was not sent is lost.
    pub(crate) fn shrink(&mut self) {
        self.memory = Memory::default();
        self.length = 0;
    }
}

impl io::Write for ReplyBuffer {
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
        let mut out = ReplyBuffer::default();
        out.push(b"before");
        let record = out.begin_record();
        out.push(b"12345678");
        out.end_record(record);
        assert_eq!(out.as_bytes(), b"before\x80\0\0\x0812345678");
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let mut out = ReplyBuffer::default();
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

    #[test]
    fn large_buffers_are_for_so_many_and_the_rest_reads_less_at_once() {
        let budget = Arc::new(BufferBudget::default());
        let wanted = 1024 * 1024 + 104;
        let mut large: Vec<ReplyBuffer> =
            (0..MOST_LARGE).map(|_| ReplyBuffer::new(&budget)).collect();
        for out in &mut large {
            out.push(b"before");
            assert_eq!(out.allowance(wanted), wanted);
            out.extend(wanted).fill(7);
            assert_eq!(out.as_bytes().get(..7), Some(&b"before\x07"[..]));
        }
        let mut late = ReplyBuffer::new(&budget);
        assert_eq!(late.allowance(wanted), MODEST);
        assert_eq!(late.allowance(100), 100);
        large.pop();
        assert_eq!(late.allowance(wanted), wanted);
    }
}
