//! The folder of `--tftp-dir`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use super::content::Content;

/// A folder whose regular, world-readable files may be fetched (`--tftp-dir`).
#[derive(Debug)]
pub(crate) struct Folder {
    folder: OwnedFd,
}

/// Why `--tftp-dir` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} (--tftp-dir) could not be opened", path.display())]
pub(crate) struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl Folder {
    /// Opens the folder once: renaming it later has no effect.
    pub(crate) fn open_path(path: &Path) -> Result<Self, FolderError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| FolderError {
            path: path.to_owned(),
            source: errno.into(),
        })?;
        Ok(Self { folder })
    }

    /// Opens a file of the folder.
    ///
    /// # Errors
    /// The file system's; `PermissionDenied` for a file that is not world-readable.
    pub(super) fn open(&self, name: &str) -> io::Result<Content> {
        let file = rustix::fs::openat2(
            &self.folder,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
            Mode::empty(),
            // Neither `..` nor an absolute link nor /proc's magic links lead out of the folder.
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )?;
        let facts = rustix::fs::fstat(&file)?;
        let regular = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
        // As in tftpd: anybody on the network can fetch it, so it has to be world-readable. The server itself can read
        // every file, which is no permission to serve it.
        if !regular || !Mode::from_raw_mode(facts.st_mode).contains(Mode::ROTH) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Content::from_regular(file.into())
    }
}
