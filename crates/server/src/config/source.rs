//! One file of a configuration.

use std::path::PathBuf;

/// The text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// Its path.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// Whether it is a drop-in, which may add images, machines and rules alone.
    pub(super) is_drop_in: bool,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl SourceFile {
    pub(super) fn new(path: PathBuf, text: String, is_drop_in: bool) -> Self {
        let bytes = text.bytes().enumerate();
        let ends = bytes.filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        Self {
            path,
            ends: ends.collect(),
            text,
            is_drop_in,
        }
    }

    /// The line, counted from 1, in which a byte is.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + self.ends.partition_point(|end| *end < offset)
    }
}
