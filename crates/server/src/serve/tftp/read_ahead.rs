//! What a transfer reads: more than a block at a time, and what is not in memory on another thread.

use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Bytes;
use netroot_proto::tftp::transfer::Source;

use crate::serve::artifacts::{CHUNK, Content, FileReads};

/// A read that waits for a disk: the position, and what was read there.
pub(super) type Reading = Pin<Box<dyn Future<Output = (u64, io::Result<Bytes>)> + Send>>;

/// The content that a transfer reads, with the part around the last block in memory.
pub(super) struct ReadAhead {
    content: Content,
    reads: Arc<FileReads>,
    client: IpAddr,
    /// The bytes at `position`.
    buffer: Bytes,
    position: u64,
    /// The position that is waited for, and how many bytes are needed there.
    wanted: Option<(u64, usize)>,
    failed: Option<io::Error>,
}

impl ReadAhead {
    /// Reads `content` for `client`.
    pub(super) fn new(content: Content, reads: Arc<FileReads>, client: IpAddr) -> Self {
        Self {
            content,
            reads,
            client,
            buffer: Bytes::new(),
            position: 0,
            wanted: None,
            failed: None,
        }
    }

    /// The read that [`Source::append`] needs before it can go on, if it needs one.
    pub(super) fn start_reading(&mut self) -> Option<Reading> {
        let (position, least) = self.wanted.take()?;
        let (reads, content) = (Arc::clone(&self.reads), self.content.clone());
        let (client, most) = (self.client, self.most(least));
        Some(Box::pin(async move {
            let read = reads.read(client, content, position, least, most).await;
            (position, read)
        }))
    }

    /// Takes what was read.
    pub(super) fn finish_reading(&mut self, (position, read): (u64, io::Result<Bytes>)) {
        match read {
            Ok(bytes) => (self.buffer, self.position) = (bytes, position),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Reads what will be needed next, if that is in memory and was not read yet.
    pub(super) fn read_ahead(&mut self, next: Range<u64>) {
        let held = self.position..self.position + self.buffer.len() as u64;
        let is_begun = held.contains(&next.start);
        if next.is_empty() || is_begun && (next.end <= held.end || next.start == held.start) {
            return;
        }
        // Whole windows, so that none of it is read twice.
        let window = usize::try_from(next.end - next.start).unwrap_or(CHUNK);
        let most = CHUNK / window * window;
        let most = if most == 0 { CHUNK } else { most };
        let (client, content) = (self.client, &self.content);
        let read = self.reads.read_now(client, content, next.start, 0, most);
        // An error is met again by the read that needs it.
        if let Some(Ok(bytes)) = read {
            (self.buffer, self.position) = (bytes, next.start);
        }
    }

    /// Nothing more than the first block until the client has asked for the second: nobody knows yet whether it did.
    fn most(&self, least: usize) -> usize {
        if self.buffer.is_empty() {
            least
        } else {
            usize::MAX
        }
    }

    fn copy(&self, offset: u64, length: usize, datagrams: &mut Vec<u8>) -> bool {
        let start = offset.checked_sub(self.position);
        let start = start.and_then(|start| usize::try_from(start).ok());
        let part = start.and_then(|start| self.buffer.get(start..start.checked_add(length)?));
        part.inspect(|part| datagrams.extend_from_slice(part))
            .is_some()
    }
}

impl Source for ReadAhead {
    fn size(&self) -> u64 {
        self.content.length()
    }

    fn append(&mut self, offset: u64, length: usize, datagrams: &mut Vec<u8>) -> io::Result<()> {
        if self.copy(offset, length, datagrams) {
            return Ok(());
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (least, most) = (length, self.most(length));
        let (client, content) = (self.client, &self.content);
        if let Some(read) = self.reads.read_now(client, content, offset, least, most) {
            (self.buffer, self.position) = (read?, offset);
            if self.copy(offset, length, datagrams) {
                return Ok(());
            }
            // Only the beginning is in memory, or the file has become shorter; the next read tells.
        }
        self.wanted = Some((offset, least));
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ahead(length: usize) -> (ReadAhead, Vec<u8>) {
        let bytes: Vec<u8> = (0..length as u64)
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        let content = Content::Memory(Bytes::from(bytes.clone()));
        let client = Ipv4Addr::LOCALHOST.into();
        (ReadAhead::new(content, FileReads::new(), client), bytes)
    }

    #[test]
    fn the_next_window_is_read_once_and_with_as_many_behind_it_as_there_is_room_for() {
        let (mut ahead, bytes) = ahead(300_000);
        ahead.read_ahead(6000..12_000);
        assert_eq!((ahead.position, ahead.buffer.len()), (6000, 60_000));
        let held = ahead.buffer.as_ptr();
        for window in 1..=10 {
            let start = window * 6000;
            ahead.read_ahead(start..start + 6000);
            assert_eq!(ahead.buffer.as_ptr(), held);
            let mut block = Vec::new();
            ahead.append(start, 6000, &mut block).unwrap();
            assert_eq!(block, bytes[usize::try_from(start).unwrap()..][..6000]);
        }
        ahead.read_ahead(66_000..72_000);
        assert_eq!(ahead.position, 66_000);
        // A window that is longer than what is read at once, and the end.
        ahead.read_ahead(200_000..294_000);
        assert_eq!((ahead.position, ahead.buffer.len()), (200_000, CHUNK));
        ahead.read_ahead(299_999..300_000);
        assert_eq!((ahead.position, ahead.buffer.len()), (299_999, 1));
        ahead.read_ahead(300_000..300_000);
        assert_eq!(ahead.position, 299_999);
        // What was before is read again: it was lost.
        let mut block = Vec::new();
        ahead.append(5, 100, &mut block).unwrap();
        assert_eq!(block, bytes[5..105]);
    }
}
