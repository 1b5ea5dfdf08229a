//! The data source of a transfer.

use std::io;

/// The data source of a transfer: a file, or something generated in memory.
pub trait Source {
    /// The size in bytes. Called once, when the transfer starts.
    fn size(&self) -> u64;
    /// Fills `into` from `offset`. A short read is an error: the file shrank, and there is no
    /// other way to tell the client.
    ///
    /// With `WouldBlock` the transfer waits until [`Transfer::source_ready`](super::transfer::Transfer::source_ready).
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> Source for T {
    fn size(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(into.len());
        let part = self
            .as_ref()
            .get(start..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(part);
        Ok(())
    }
}
