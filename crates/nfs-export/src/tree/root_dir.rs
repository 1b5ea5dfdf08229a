//! The exported directory, and the only functions that open anything in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// Why an exported directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RootDirError {
    /// It does not exist, or is not a directory.
    #[error("cannot open the directory")]
    Open(#[source] io::Error),
    /// The kernel is older than 5.6, or a sandbox forbids `openat2`, without which names could lead out of the root.
    #[error("openat2 does not work here; Linux 5.6 or newer is needed")]
    Openat2(#[source] io::Error),
    /// Its attributes cannot be read.
    #[error("cannot read the attributes of the directory")]
    Stat(#[source] io::Error),
}

/// What an export shows of file systems that are mounted below its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountView {
    /// A private, read-only copy of the mount that the directory is in, without the mounts below it: the `/proc` and
    /// `/dev` of a running chroot are the empty directories that are mounted over. Needs `CAP_SYS_ADMIN`.
    PrivateCopy,
    /// The directory as it is. Mounts below it are not entered, and shown as empty directories.
    Live,
}

/// Path resolution stays below the directory, follows no link and enters no other mount.
const STRICT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const REFERENCE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An exported directory.
#[derive(Debug)]
pub(crate) struct RootDir {
    /// Opened for reading: `open_by_handle_at` does not accept an `O_PATH` descriptor for the mount.
    directory: OwnedFd,
    /// Closing it would dissolve the private copy of the mount.
    _tree: Option<OwnedFd>,
    view: MountView,
    stat: Stat,
    /// The mount's id, where the file system has handles.
    mount: Option<i32>,
}

impl RootDir {
    pub(crate) fn open(path: &Path) -> Result<Self, RootDirError> {
        let public = rustix::fs::openat(
            CWD,
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| RootDirError::Open(errno.into()))?;
        let tree = private_copy(public.as_fd());
        let start = tree.as_ref().map_or(public.as_fd(), AsFd::as_fd);
        let directory = open_directory(start).map_err(|errno| RootDirError::Open(errno.into()))?;
        rustix::fs::openat2(&directory, c".", REFERENCE, Mode::empty(), STRICT)
            .map_err(|errno| RootDirError::Openat2(errno.into()))?;
        let stat =
            rustix::fs::fstat(&directory).map_err(|errno| RootDirError::Stat(errno.into()))?;
        let view = if tree.is_some() {
            MountView::PrivateCopy
        } else {
            MountView::Live
        };
        let mount = netroot_sys::handle::of(&directory)
            .ok()
            .map(|(_, mount)| mount);
        Ok(Self {
            directory,
            _tree: tree,
            view,
            stat,
            mount,
        })
    }

    pub(crate) fn view(&self) -> MountView {
        self.view
    }

    /// The attributes of the directory when it was opened: valid for its identity, not for its times.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether this is the id of the root's mount.
    pub(crate) fn is_mount(&self, id: i32) -> bool {
        self.mount == Some(id)
    }

    pub(crate) fn is_root(&self, stat: &Stat) -> bool {
        stat.st_ino == self.stat.st_ino && stat.st_dev == self.stat.st_dev
    }

    /// Whether a directory is in the root. One that was moved out of it keeps its handle, which must not give access to
    /// its new surroundings.
    pub(crate) fn contains(&self, directory: BorrowedFd<'_>) -> Result<bool, Errno> {
        let mut stat = rustix::fs::fstat(directory)?;
        let mut ancestor = Vec::new();
        loop {
            if self.is_root(&stat) {
                return Ok(true);
            }
            ancestor.extend_from_slice(b"../");
            let parent = match rustix::fs::statat(directory, &*ancestor, AtFlags::empty()) {
                Ok(parent) => parent,
                // In a private copy of the mount, the kernel says that the parents do not lead to its root.
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(errno),
            };
            if parent.st_ino == stat.st_ino && parent.st_dev == stat.st_dev {
                return Ok(false);
            }
            stat = parent;
        }
    }
}

/// Opens an entry of a directory as `O_PATH`: links are not followed, devices not opened.
pub(crate) fn open_entry(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(directory, path, REFERENCE, Mode::empty(), STRICT)
}

/// Opens a directory for listing. Only its owner and root may use `O_NOATIME`.
pub(crate) fn open_directory(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, c".", flags | OFlags::NOATIME, Mode::empty()).or_else(|errno| {
        match errno {
            Errno::PERM => rustix::fs::openat(directory, c".", flags, Mode::empty()),
            other => Err(other),
        }
    })
}

/// A detached copy of the mount that `directory` is in, from there down, without the mounts below it.
fn private_copy(directory: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(directory, c"", flags).ok()?;
    // From Linux 5.2 to 5.11 the copy remains as writable as the original; nothing here writes.
    let _ = netroot_sys::handle::make_mount_read_only(&tree);
    Some(tree)
}
