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
}

impl SourceFile {
    /// The line, counted from 1, in which a byte is.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}
