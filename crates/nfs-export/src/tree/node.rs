//! A file of the tree, held open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::tree::read_order::ReadOrder;

/// What a handle refers to.
#[derive(Debug)]
pub(crate) enum Node {
    /// A file, directory, link or device, held open.
    Open(OpenFile),
    /// A directory that something is mounted on, or a subvolume was in, shown as empty.
    MountPoint(Shown, Stat),
}

/// How clients see a file: where its numbers come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// The position of its file system in the tree.
    pub(crate) part: usize,
    /// The number of its file system.
    pub(crate) fsid: u64,
    /// Its own number; `None` if that is the inode number.
    pub(crate) number: Option<u64>,
}

impl Shown {
    /// The attributes with these numbers as inode number and device.
    pub(crate) fn apply(self, mut stat: Stat) -> Stat {
        stat.st_dev = self.fsid;
        stat.st_ino = self.number.unwrap_or(stat.st_ino);
        stat
    }
}

/// The name that a file is known by, where there is nothing else.
#[derive(Debug)]
pub(crate) struct KnownName {
    /// The number of its directory.
    pub(crate) parent: u64,
    pub(crate) name: Box<[u8]>,
    /// Its attributes when it was found.
    pub(crate) stat: Stat,
}

impl KnownName {
    /// Whether this is the same file, unchanged.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        is_unchanged(&self.stat, &other.stat)
    }
}

/// Whether two sets of attributes are those of the same file, unchanged. (overlayfs copies files to its upper layer.)
pub(crate) fn is_unchanged(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        && (one.st_ctime, one.st_ctime_nsec) == (other.st_ctime, other.st_ctime_nsec)
}

/// An `O_PATH` descriptor, and a second one to read from once a regular file has been read.
#[derive(Debug)]
pub(crate) struct OpenFile {
    reference: OwnedFd,
    content: OnceLock<OwnedFd>,
    order: ReadOrder,
    shown: Shown,
    name: Option<KnownName>,
    /// For directories, and files that are known by their names: when they were last seen to be in the root.
    checked: Option<LastCheck>,
}

#[derive(Debug)]
struct LastCheck {
    first: Instant,
    /// Milliseconds after `first`.
    last: AtomicU64,
}

/// How often a directory is checked to be in the root still, and a name to lead to the same file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl OpenFile {
    /// A file that has just been found in the root.
    pub(crate) fn new(
        reference: OwnedFd,
        stat: &Stat,
        shown: Shown,
        name: Option<KnownName>,
    ) -> Self {
        let check = is_directory(stat) || name.is_some();
        Self {
            reference,
            content: OnceLock::new(),
            order: ReadOrder::default(),
            shown,
            name,
            checked: check.then(|| LastCheck {
                first: Instant::now(),
                last: AtomicU64::new(0),
            }),
        }
    }

    /// Whether to check that this file is still in the root; if so, the next check is due one interval later.
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

    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    pub(crate) fn name(&self) -> Option<&KnownName> {
        self.name.as_ref()
    }

    pub(crate) fn reference(&self) -> BorrowedFd<'_> {
        self.reference.as_fd()
    }

    /// The READs of its content.
    pub(crate) fn order(&self) -> &ReadOrder {
        &self.order
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
    /// The attributes that clients see: `st_ino` is the file's number in NFS, `st_dev` that of its file system.
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Self::Open(open) => Ok(open.shown.apply(rustix::fs::fstat(&open.reference)?)),
            Self::MountPoint(shown, stat) => Ok(shown.apply(*stat)),
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        match self {
            Self::Open(open) => open.shown,
            Self::MountPoint(shown, _) => *shown,
        }
    }

    /// A directory of which only the number is known: it gets the times of the root and no entries.
    pub(crate) fn mount_point(shown: Shown, root: &Stat) -> Self {
        let mut stat = *root;
        stat.st_mode = FileType::Directory.as_raw_mode() | 0o555;
        stat.st_uid = 0;
        stat.st_gid = 0;
        stat.st_nlink = 2;
        Self::MountPoint(shown, stat)
    }
}

pub(crate) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
