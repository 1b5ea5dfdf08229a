//! Replies to be sent: a few KiB that a thread lends its connections, and more from the shared memory when it is needed.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use nfs3_types::xdr_codec::Pack;

use crate::rpc::reply_content::{Content, Filled, NotSpliced};
use crate::rpc::reply_memory::{Block, ReplyMemory};

/// The memory for short replies, in bytes: for a READ of a page. Nearly every reply but a READ or a listing fits into half of it.
const OWN_SIZE: usize = 4 * 1024 + 512;

/// A buffer of replies. Unlike a `Vec`, it keeps the bytes beyond its end initialised, so that a READ of 1 MiB is
/// copied from the page cache without zeroing the memory first.
#[derive(Debug)]
pub(crate) struct ReplyBuffer {
    own: Vec<u8>,
    /// In use instead of `own` while there is one; given back when the replies are sent.
    block: Option<Block>,
    length: usize,
    /// What follows after these bytes: the content of a file, and zeros up to a multiple of four.
    content: Option<Content>,
    padding: usize,
    /// Whether there may be such content, which only a socket can take.
    splices: bool,
    memory: Arc<ReplyMemory>,
    client: IpAddr,
}

impl ReplyBuffer {
    /// Memory beyond that for short replies is charged to `client`.
    pub(crate) fn new(memory: &Arc<ReplyMemory>, client: IpAddr) -> Self {
        Self {
            own: Vec::new(),
            block: None,
            length: 0,
            content: None,
            padding: 0,
            splices: false,
            memory: Arc::clone(memory),
            client,
        }
    }

    /// One that is sent by a socket, with the content of files as it is in the page cache.
    pub(crate) fn for_socket(memory: &Arc<ReplyMemory>, client: IpAddr) -> Self {
        Self {
            splices: true,
            ..Self::new(memory, client)
        }
    }

    /// Adds `length` bytes of a file from `offset`, or fewer. They follow after everything that is written until the buffer is
    /// sent or cleared: the rest of this record's header may be written, and then [`ReplyBuffer::is_full`]. To begin another
    /// record before is a mistake: it would be sent within this one.
    ///
    /// # Errors
    /// [`NotSpliced`]: they have to be copied.
    pub(crate) fn splice(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        length: usize,
    ) -> Result<Filled, NotSpliced> {
        if !self.splices || self.content.is_some() {
            return Err(NotSpliced::Unsupported);
        }
        let pipes = self.memory.pipes();
        let content = pipes.fill(self.client, (file, offset, length))?;
        let filled = content.filled();
        self.padding = filled.length.next_multiple_of(4) - filled.length;
        self.content = Some(content);
        Ok(filled)
    }

    /// The content that follows after the bytes, and how many zeros follow after it.
    pub(crate) fn content(&mut self) -> Option<(&mut Content, usize)> {
        self.content.as_mut().map(|content| (content, self.padding))
    }

    fn following(&self) -> usize {
        let content = self.content.as_ref();
        content.map_or(0, |content| content.left() + self.padding)
    }

    /// How many of `wanted` bytes the next reply may use: always enough for a directory entry or some KiB of a file.
    pub(crate) fn reserve(&mut self, wanted: usize) -> usize {
        let needed = self.length.saturating_add(wanted);
        let size = self.size();
        if needed > size
            && let Some(mut block) = self.memory.take(self.client, needed, size)
            && let Some(kept) = block.get_mut(..self.length)
        {
            kept.copy_from_slice(self.as_bytes());
            self.block = Some(block);
        }
        wanted.min(self.size().saturating_sub(self.length))
    }

    /// How many bytes fit without taking a larger block.
    fn size(&self) -> usize {
        self.block.as_ref().map_or(OWN_SIZE, |block| block.len())
    }

    fn bytes(&self) -> &[u8] {
        match &self.block {
            Some(block) => block,
            None => &self.own,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.block {
            Some(block) => block,
            None => &mut self.own,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// With the content that follows.
    pub(crate) fn len_with_content(&self) -> usize {
        self.length + self.following()
    }

    /// Whether to send before more is added.
    pub(crate) fn is_full(&self) -> bool {
        if self.content.is_some() {
            return true;
        }
        match &self.block {
            Some(block) => block.is_full(self.length),
            None => self.length >= OWN_SIZE / 2,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes().get(..self.length).unwrap_or_default()
    }

    /// Discards the replies, and gives back the shared memory that they were in.
    pub(crate) fn clear(&mut self) {
        self.length = 0;
        self.block = None;
        self.content = None;
    }

    /// Discards what was written after `length`, with the content that was to follow.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.content = None;
        self.length = self.length.min(length);
    }

    /// Appends `length` bytes and returns them to be overwritten; they contain old data.
    pub(crate) fn extend(&mut self, length: usize) -> &mut [u8] {
        let start = self.length;
        let end = start.saturating_add(length);
        if self.bytes().len() < end {
            if self.block.is_some() {
                self.own = self.as_bytes().to_vec();
                self.block = None;
            }
            // In few steps: each leaves a hole in the heap.
            let size = match end {
                ..=512 => 512,
                513..=OWN_SIZE => OWN_SIZE,
                _ => end,
            };
            self.own.resize(size, 0);
        }
        self.length = end;
        self.bytes_mut().get_mut(start..end).unwrap_or_default()
    }

    /// The bytes from `start` on.
    pub(crate) fn tail(&mut self, start: usize) -> &mut [u8] {
        let end = self.length;
        self.bytes_mut().get_mut(start..end).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.extend(bytes.len()).copy_from_slice(bytes);
    }

    /// Appends a value in XDR: into bytes of its size at once, since word by word this took longer than all else that a GETATTR does
    /// outside of system calls.
    pub(crate) fn pack(&mut self, value: &impl Pack) {
        let mut room = self.extend(value.packed_size());
        // Packing fails only when there is not enough room, or for an opaque of 4 GiB: neither happens here.
        let packed = value.pack(&mut room);
        let left = room.len();
        debug_assert!(packed.is_ok() && left == 0, "a value of another size");
        // What is left has old data.
        self.length = self.length.saturating_sub(left);
    }

    /// Starts a record (RFC 5531 §11); the returned position is for [`ReplyBuffer::end_record`].
    pub(crate) fn begin_record(&mut self) -> usize {
        debug_assert!(self.content.is_none(), "a record within another one");
        let start = self.length;
        self.push(&[0; 4]);
        start
    }

    pub(crate) fn end_record(&mut self, start: usize) {
        let written = self.length.saturating_sub(start).saturating_sub(4);
        let length = written + self.following();
        let mark = u32::try_from(length).unwrap_or_default() | 0x8000_0000;
        if let Some(header) = self.tail(start).first_chunk_mut::<4>() {
            *header = mark.to_be_bytes();
        }
    }

    /// Takes memory for short replies, unless it has some. It contains old data.
    pub(crate) fn borrow_memory(&mut self, spare: &mut Vec<u8>) {
        if self.own.capacity() == 0 {
            std::mem::swap(&mut self.own, spare);
        }
    }

    /// Gives that memory away if there are no replies in it.
    pub(crate) fn return_memory(&mut self, spare: &mut Vec<u8>) {
        if self.length == 0 && self.own.len() <= OWN_SIZE {
            *spare = std::mem::take(&mut self.own);
        }
    }

    /// Whether [`ReplyBuffer::shrink`] would free anything.
    pub(crate) fn holds_memory(&self) -> bool {
        self.own.capacity() > 0
    }

    /// Frees the memory; unsent bytes are lost.
    pub(crate) fn shrink(&mut self) {
        self.clear();
        self.own = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn buffer() -> ReplyBuffer {
        ReplyBuffer::new(&Arc::default(), ONE)
    }

    #[test]
    fn a_record_is_marked_with_its_length() {
        let mut out = buffer();
        out.push(b"before");
        let record = out.begin_record();
        out.push(b"12345678");
        out.end_record(record);
        assert_eq!(out.as_bytes(), b"before\x80\0\0\x0812345678");
    }

    #[test]
    fn values_are_packed_into_what_was_used_before() {
        let mut out = buffer();
        out.extend(600).fill(7);
        out.clear();
        out.pack(&1_u32);
        out.pack(&nfs3_types::xdr_codec::Opaque::borrowed(b"12345"));
        assert_eq!(out.as_bytes(), b"\0\0\0\x01\0\0\0\x0512345\0\0\0");
    }

    #[test]
    fn memory_with_replies_in_it_is_not_given_away() {
        let (mut out, mut spare) = (buffer(), Vec::new());
        out.borrow_memory(&mut spare);
        out.push(b"reply");
        out.return_memory(&mut spare);
        assert!(spare.is_empty() && out.as_bytes() == b"reply");
        out.clear();
        out.return_memory(&mut spare);
        assert!(!spare.is_empty() && !out.holds_memory());
        let mut other = buffer();
        other.borrow_memory(&mut spare);
        assert!(other.holds_memory() && other.as_bytes().is_empty());
        other.extend(100_000);
        other.clear();
        other.return_memory(&mut spare);
        assert!(spare.is_empty(), "more than a thread is to keep");
    }

    #[test]
    fn truncated_bytes_are_not_sent() {
        let mut out = buffer();
        out.push(b"kept");
        let mark = out.len();
        out.extend(100_000).fill(1);
        out.truncate(mark);
        out.push(b"!");
        assert_eq!(out.as_bytes(), b"kept!");
        assert!(out.holds_memory());
        out.shrink();
        assert!(!out.holds_memory());
    }

    #[test]
    fn replies_move_to_larger_blocks_and_give_them_back_when_they_are_sent() {
        let memory = Arc::default();
        let mut out = ReplyBuffer::new(&memory, ONE);
        out.push(b"before");
        for wanted in [100, 40_000, 262_248, 1_048_680] {
            assert_eq!(out.reserve(wanted), wanted);
            out.extend(wanted).fill(7);
            assert!(out.as_bytes().starts_with(b"before\x07"));
            out.truncate(6);
        }
        assert!(memory.budget().charged() > 1_000_000);
        out.clear();
        assert_eq!(memory.budget().charged(), 0);
    }

    #[test]
    fn beyond_the_budget_replies_are_shorter() {
        let memory = Arc::default();
        let wanted = 1024 * 1024 + 104;
        let mut all: Vec<ReplyBuffer> = (0..100).map(|_| ReplyBuffer::new(&memory, ONE)).collect();
        let rooms: Vec<usize> = all.iter_mut().map(|out| out.reserve(wanted)).collect();
        assert_eq!(rooms.first(), Some(&wanted));
        assert_eq!(rooms.last(), Some(&OWN_SIZE), "its own memory");
        all.remove(0);
        let last = all.last_mut().unwrap();
        assert_eq!(last.reserve(wanted), wanted);
    }
}
