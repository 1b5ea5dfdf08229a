//! What a transfer reads: more than a block at a time, and what is not in memory on another thread.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Bytes;
use netroot_proto::tftp::transfer::Source;

use crate::serve::artifacts::{Content, FileReads};

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

    /// The read that [`Source::read_at`] needs before it can go on, if it needs one.
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

    /// Nothing more than the first block until the client has asked for the second: nobody knows yet whether it did.
    fn most(&self, least: usize) -> usize {
        if self.buffer.is_empty() {
            least
        } else {
            usize::MAX
        }
    }

    fn copy(&self, offset: u64, into: &mut [u8]) -> bool {
        let start = offset.checked_sub(self.position);
        let start = start.and_then(|start| usize::try_from(start).ok());
        let part = start.and_then(|start| self.buffer.get(start..start.checked_add(into.len())?));
        part.inspect(|part| into.copy_from_slice(part)).is_some()
    }
}

impl Source for ReadAhead {
    fn size(&self) -> u64 {
        self.content.length()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.copy(offset, into) {
            return Ok(());
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (least, most) = (into.len(), self.most(into.len()));
        let (client, content) = (self.client, &self.content);
        if let Some(read) = self.reads.read_now(client, content, offset, least, most) {
            (self.buffer, self.position) = (read?, offset);
            if self.copy(offset, into) {
                return Ok(());
            }
            // Only the beginning is in memory, or the file has become shorter; the next read tells.
        }
        self.wanted = Some((offset, least));
        Err(io::ErrorKind::WouldBlock.into())
    }
}
