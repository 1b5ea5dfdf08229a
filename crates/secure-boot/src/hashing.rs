//! The digest of a binary while it is written, so that it need not be in memory.

use std::io::{self, Write};
use std::ops::Range;

use ring::digest::{Context, SHA256};

/// Computes the Authenticode SHA-256 of a binary on its way to a file. The order in which firmware hashes sections is that
/// of the file, so this is the digest of what has no gap between its headers and sections, nothing behind the last of
/// them, and a length that is a multiple of eight bytes.
pub struct Hashing<'a> {
    to: &'a mut dyn Write,
    hash: Context,
    at: usize,
    unsigned: [Range<usize>; 2],
}

impl<'a> Hashing<'a> {
    /// Leaves out the bytes of the checksum and those of the certificate table's entry in the data directories, which
    /// are behind it.
    pub fn new(to: &'a mut dyn Write, unsigned: [Range<usize>; 2]) -> Self {
        Self {
            to,
            hash: Context::new(&SHA256),
            at: 0,
            unsigned,
        }
    }

    /// The digest of all that was written.
    pub fn finish(self) -> [u8; 32] {
        let mut digest = [0; 32];
        let whole = self.hash.finish();
        for (to, from) in digest.iter_mut().zip(whole.as_ref()) {
            *to = *from;
        }
        digest
    }

    /// Hashes the next bytes, but for those of them that are left out.
    fn hash(&mut self, bytes: &[u8]) {
        let start = self.at;
        let end = start.saturating_add(bytes.len());
        let mut from = start;
        let rest = end..end;
        for left_out in self.unsigned.iter().chain([&rest]) {
            let to = left_out.start.clamp(from, end);
            let part = bytes.get(from - start..to - start);
            self.hash.update(part.unwrap_or_default());
            from = left_out.end.clamp(to, end);
        }
        self.at = end;
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use ring::digest::digest;

    use super::*;

    #[test]
    fn the_digest_is_the_same_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..=255).collect();
        let signed = [&bytes[..40], &bytes[44..100], &bytes[108..]].concat();
        let expected = digest(&SHA256, &signed);
        for length in 1..=256 {
            let mut written = Vec::new();
            let mut hashing = Hashing::new(&mut written, [40..44, 100..108]);
            for part in bytes.chunks(length) {
                hashing.write_all(part).unwrap();
            }
            assert_eq!(hashing.finish(), expected.as_ref(), "{length}");
            assert_eq!(written, bytes);
        }
    }
}
