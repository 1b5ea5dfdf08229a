//! A file in `/run` for another program to read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::directory;

/// A file, and what it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunFile {
    /// Its path below `/run`.
    pub(super) path: String,
    /// Its permissions.
    pub(super) mode: u32,
    /// Its content.
    pub(super) text: String,
}

impl RunFile {
    /// A file that everybody may read.
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        RunFile {
            path: path.into(),
            mode: 0o644,
            text: text.into(),
        }
    }

    /// Writes it, with the directories above it.
    pub(super) fn write(&self) -> io::Result<()> {
        let path = format!("/run/{}", self.path);
        if let Some((folder, _)) = path.rsplit_once('/') {
            directory::make(folder)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(self.mode)
            .open(path)?;
        file.write_all(self.text.as_bytes())
    }
}

/// A value for one line of a configuration file: without control characters, it cannot start another line.
pub(super) fn single_line(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_starts_no_new_line() {
        assert_eq!(single_line("a\n[Network]\rb\u{85}"), "a[Network]b");
    }
}
