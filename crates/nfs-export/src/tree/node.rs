//! A file of the root, held open without being read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// What a handle leads to.
#[derive(Debug)]
pub(crate) enum Node {
    /// A file, a directory, a link, a device: anything that is really there.
    Open(OpenFile),
    /// A directory that something is mounted on, shown empty.
    MountPoint(Stat),
}

/// An `O_PATH` descriptor, and for regular files that were read a second one to read from.
#[derive(Debug)]
pub(crate) struct OpenFile {
    reference: OwnedFd,
    content: OnceLock<OwnedFd>,
    /// For directories: when they were last seen in the root.
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    first: Instant,
    /// Milliseconds after `first`.
    last: AtomicU64,
}

/// For this long a directory is believed to be where it was.
const BELIEVED: Duration = Duration::from_secs(1);

impl OpenFile {
    /// The caller has just found it in the root.
    pub(crate) fn new(reference: OwnedFd, stat: &Stat) -> Self {
        let directory = is_directory(stat);
        Self {
            reference,
            content: OnceLock::new(),
            seen: directory.then(|| Seen {
                first: Instant::now(),
                last: AtomicU64::new(0),
            }),
        }
    }

    /// Whether it is high time to see if this directory is still in the root. Asking puts the next time off.
    pub(crate) fn is_due_for_check(&self) -> bool {
        let Some(seen) = &self.seen else {
            return false;
        };
        let now = u64::try_from(seen.first.elapsed().as_millis()).unwrap_or(u64::MAX);
        let age = now.saturating_sub(seen.last.load(Ordering::Relaxed));
        let doubtful = u128::from(age) >= BELIEVED.as_millis();
        if doubtful {
            seen.last.store(now, Ordering::Relaxed);
        }
        doubtful
    }

    pub(crate) fn reference(&self) -> BorrowedFd<'_> {
        self.reference.as_fd()
    }

    /// The descriptor to read from; `open` makes it the first time. The caller has made sure that this is a regular
    /// file: opening a FIFO would wait, and opening a device can do anything.
    pub(crate) fn content(
        &self,
        open: impl FnOnce() -> Result<OwnedFd, Errno>,
    ) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(content) = self.content.get() {
            return Ok(content.as_fd());
        }
        let opened = open()?;
        // When another thread was faster, its descriptor is as good and ours is closed.
        Ok(self.content.get_or_init(|| opened).as_fd())
    }
}

impl Node {
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(object) => rustix::fs::fstat(&object.reference),
            Self::MountPoint(stat) => Ok(*stat),
        }
    }

    /// The attributes shown for a directory of which only the inode number is known: of the root, but empty.
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
