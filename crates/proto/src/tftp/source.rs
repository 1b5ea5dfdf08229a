//! The data source of a transfer.

use std::io;

/// The data source of a transfer: a file, or something generated in memory.
pub trait Source {
    /// The size in bytes. Called once, when the transfer starts.
    fn size(&self) -> u64;
    /// Appends `length` bytes from `offset` to `datagrams`. Fewer are an error: the file shrank, and there is no
    /// other way to tell the client. What was appended before an error is of no use.
    ///
    /// With `WouldBlock` the transfer waits until [`Transfer::source_ready`](super::transfer::Transfer::source_ready).
    fn append(&mut self, offset: u64, length: usize, datagrams: &mut Vec<u8>) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> Source for T {
    fn size(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn append(&mut self, offset: u64, length: usize, datagrams: &mut Vec<u8>) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(length);
        let part = self
            .as_ref()
            .get(start..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        datagrams.extend_from_slice(part);
        Ok(())
    }
}
