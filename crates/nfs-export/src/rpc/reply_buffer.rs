//! Replies to be sent, in a buffer whose memory is initialised once and reused.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netroot_sys::pages::Pages;
use nfs3_types::xdr_codec::Pack;

/// A buffer larger than this, in bytes, is freed while the client is idle.
const KEEP_SIZE: usize = 16 * 1024;

/// The size limit of a reply in an ordinary buffer, in bytes: a READ is cut short, and the client asks for the rest.
const SMALL_LIMIT: usize = 64 * 1024;

/// The size of a large buffer, in bytes: collected replies plus the longest READ.
const LARGE_SIZE: usize = 1536 * 1024;

/// The most large buffers at a time, of all connections together: 96 MiB.
const MAX_LARGE: usize = 64;

/// How many large buffers may still be allocated.
#[derive(Debug)]
pub(crate) struct BufferBudget(AtomicUsize);

impl Default for BufferBudget {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_LARGE))
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

/// A buffer of replies. Unlike a `Vec`, it keeps the bytes beyond its end initialised, so that a READ of 1 MiB is
/// copied from the page cache without zeroing the memory first.
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

    /// How many of `wanted` bytes the next reply may use.
    pub(crate) fn reserve(&mut self, wanted: usize) -> usize {
        let needed = self.length.saturating_add(wanted);
        if needed > SMALL_LIMIT && matches!(self.memory, Memory::Small(_)) {
            self.enlarge();
        }
        let room = match &self.memory {
            Memory::Small(_) => SMALL_LIMIT,
            Memory::Large(pages, _) => pages.len().saturating_sub(self.length),
        };
        wanted.min(room)
    }

    fn enlarge(&mut self) {
        let Some(permit) = self.budget.take() else {
            return;
        };
        let Ok(mut pages) = Pages::new(LARGE_SIZE) else {
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

    /// Whether to send before more is added.
    pub(crate) fn is_full(&self) -> bool {
        match &self.memory {
            Memory::Small(_) => self.length >= SMALL_LIMIT,
            // Leaves room for the longest READ.
            Memory::Large(pages, _) => self.length >= pages.len() / 6,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.memory.bytes().get(..self.length).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
    }

    /// Discards what was written after `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends `length` bytes and returns them to be overwritten; they contain old data.
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

    /// The bytes from `start` on.
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
        // Packing fails only when the writer does, or for an opaque of 4 GiB: neither happens here.
        let _ = value.pack(self);
    }

    /// Starts a record (RFC 5531 §11); the returned position is for [`ReplyBuffer::end_record`].
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
        self.memory.bytes().len() > KEEP_SIZE
    }

    /// Frees the memory; unsent bytes are lost.
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
    fn truncated_bytes_are_not_sent() {
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
    fn beyond_the_limit_of_large_buffers_replies_are_shorter() {
        let budget = Arc::new(BufferBudget::default());
        let wanted = 1024 * 1024 + 104;
        let mut large: Vec<ReplyBuffer> =
            (0..MAX_LARGE).map(|_| ReplyBuffer::new(&budget)).collect();
        for out in &mut large {
            out.push(b"before");
            assert_eq!(out.reserve(wanted), wanted);
            out.extend(wanted).fill(7);
            assert_eq!(out.as_bytes().get(..7), Some(&b"before\x07"[..]));
        }
        let mut late = ReplyBuffer::new(&budget);
        assert_eq!(late.reserve(wanted), SMALL_LIMIT);
        assert_eq!(late.reserve(100), 100);
        large.pop();
        assert_eq!(late.reserve(wanted), wanted);
    }
}
