//! Files with secrets, as they are now: an administrator may replace them while the server runs.
//!
//! Reading waits for a disk, or for whoever has made something else of the path: it is done on a thread for that.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

/// The longest, in bytes: 64 tokens, or a certificate with those of its authorities.
const LONGEST: u64 = 64 << 10;

/// What tells a file from the one that was read: what it is, how long, and when it was changed, also in its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    inode: (u64, u64),
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Seen {
    /// The file that has this name now; `None` if there is none.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: (file.dev(), file.ino()),
            length: file.len(),
            changed: (file.ctime(), file.ctime_nsec()),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }

    /// When it was written to.
    pub(super) fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.modified.0.try_into().unwrap_or_default())
    }
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct SecretFile {
    /// Its permissions.
    pub(super) mode: u32,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

impl SecretFile {
    /// Reads a regular file of at most 64 KiB.
    ///
    /// # Errors
    /// The system's, or that it is something else.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        // A FIFO, or a device, would be waited for.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = options.read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("it is longer than 64 KiB"));
        }
        Ok(Self {
            mode: metadata.mode() & 0o777,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_regular_file_is_read_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let read = SecretFile::read(&path).unwrap();
        assert_eq!((read.mode, read.bytes.as_slice()), (0o640, &b"secret"[..]));
        let before = Seen::of(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(Seen::of(&path), before, "its permissions");
        fs::write(&path, vec![b'x'; 70_000]).unwrap();
        let said = |path: &Path| SecretFile::read(path).unwrap_err().to_string();
        assert!(said(&path).contains("64 KiB"));
        // Before, the server stood still until somebody wrote to it.
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(said(&fifo).contains("not a regular file"));
        assert!(said(folder.path()).contains("not a regular file"));
    }
}
