//! The blocks of a file.

use std::io;

use super::super::packet::Packet;
use super::super::source::Source;

/// How a file is cut: block `n`, from 1, begins at `(n - 1) * block_size`.
#[derive(Debug)]
pub(super) struct Blocks {
    size: u64,
    block_size: u16,
}

impl Blocks {
    /// A file of `size` bytes in blocks of so many.
    pub(super) fn new(size: u64, block_size: u16) -> Self {
        Self {
            size,
            block_size: block_size.max(1),
        }
    }

    /// How many there are; the last is shorter than the others and may be empty.
    pub(super) fn count(&self) -> u64 {
        self.size / u64::from(self.block_size) + 1
    }

    /// The size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of the first `blocks`.
    pub(super) fn bytes(&self, blocks: u64) -> u64 {
        self.size.min(blocks * u64::from(self.block_size))
    }

    /// Appends a block's datagram to `datagrams`, or a part of it and an error.
    pub(super) fn write(
        &self,
        block: u64,
        source: &mut impl Source,
        datagrams: &mut Vec<u8>,
    ) -> io::Result<()> {
        let offset = self.bytes(block - 1);
        let length = usize::try_from(self.bytes(block) - offset).unwrap_or(usize::MAX);
        datagrams.extend_from_slice(&Packet::data_header(low_word(block)));
        match length {
            0 => Ok(()),
            length => source.append(offset, length, datagrams),
        }
    }
}

/// The low 16 bits: the block number as sent.
pub(super) fn low_word(block: u64) -> u16 {
    let [.., high, low] = block.to_be_bytes();
    u16::from_be_bytes([high, low])
}
