//! Where a transfer's bytes come from.

use std::io;

/// Where a transfer's bytes come from: a file, or something made in memory.
pub trait Source {
    /// How many bytes there are. Asked once, when the transfer starts.
    fn size(&self) -> u64;
    /// Fills `into` from `offset`. Fewer bytes than asked for are an error: the file
    /// shrank, and there is no other way to tell the client.
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
