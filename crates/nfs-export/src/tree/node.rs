//! A file of the tree, held open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// What a handle refers to.
#[derive(Debug)]
pub(crate) enum Node {
    /// A file, directory, link or device, held open.
    Open(OpenFile),
    /// A directory that something is mounted on, shown as empty.
    MountPoint(Stat),
}

/// An `O_PATH` descriptor, and a second one to read from once a regular file has been read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    reference: OwnedFd,
    content: OnceLock<OwnedFd>,
    /// For directories: when they were last seen to be in the root.
    checked: Option<LastCheck>,
}

#[derive(Debug)]
struct LastCheck {
    first: Instant,
    /// Milliseconds after `first`.
    last: AtomicU64,
}

/// How often a directory is checked to be in the root still.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl OpenFile {
    /// A file that has just been found in the root.
    pub(crate) fn new(reference: OwnedFd, stat: &Stat) -> Self {
        let directory = is_directory(stat);
        Self {
            reference,
            content: OnceLock::new(),
            checked: directory.then(|| LastCheck {
                first: Instant::now(),
                last: AtomicU64::new(0),
            }),
        }
    }

    /// Whether to check that this directory is still in the root; if so, the next check is due one interval later.
    pub(crate) fn is_due_for_check(&self) -> bool {
        let Some(checked) = &self.checked else {
            return false;
        };
        let now = u64::try_from(checked.first.elapsed().as_millis()).unwrap_or(u64::MAX);
        let age = now.saturating_sub(checked.last.load(Ordering::Relaxed));
        let due = u128::from(age) >= CHECK_INTERVAL.as_millis();
        if due {
            checked.last.store(now, Ordering::Relaxed);
        }
        due
    }

    pub(crate) fn reference(&self) -> BorrowedFd<'_> {
        self.reference.as_fd()
    }

    /// The descriptor to read from, opened by `open` the first time. For regular files only: opening a FIFO would
    /// block, and opening a device can have any effect.
    pub(crate) fn content(
        &self,
        open: impl FnOnce() -> Result<OwnedFd, Errno>,
    ) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(content) = self.content.get() {
            return Ok(content.as_fd());
        }
        let opened = open()?;
        // If another thread was faster, its descriptor is used and this one is closed.
        Ok(self.content.get_or_init(|| opened).as_fd())
    }
}

impl Node {
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(open) => rustix::fs::fstat(&open.reference),
            Self::MountPoint(stat) => Ok(*stat),
        }
    }

    /// A directory of which only the inode number is known: it gets the times of the root and no entries.
    pub(crate) fn mount_point(inode: u64, root: &Stat) -> Self {
        let mut stat = *root;
        stat.st_ino = inode;
        stat.st_mode = FileType::Directory.as_raw_mode() | 0o555;
        stat.st_uid = 0;
        stat.st_gid = 0;
        stat.st_nlink = 2;
        Self::MountPoint(stat)
    }
}

pub(crate) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
