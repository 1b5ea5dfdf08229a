//! The exported directory as this server sees it, and the only way into it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

/// Which step of opening an exported directory failed.
#[derive(Debug, thiserror::Error)]
pub enum RootDirError {
    /// The directory is not there, or is no directory.
    #[error("the directory cannot be opened")]
    Open(#[source] io::Error),
    /// The kernel is older than 5.6 or a sandbox forbids `openat2`, without which names could lead out.
    #[error("openat2 does not work here; Linux 5.6 or newer is needed")]
    Openat2(#[source] io::Error),
    /// The directory cannot be examined.
    #[error("the directory's attributes cannot be read")]
    Stat(#[source] io::Error),
}

/// What the export sees of file systems mounted beneath its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountView {
    /// A private copy of the one mount that the directory is in, read-only by the kernel's hand. What is mounted
    /// beneath does not exist in it: the `/proc` and `/dev` of a running chroot are the empty directories that they
    /// cover. Needs `CAP_SYS_ADMIN`.
    PrivateCopy,
    /// The directory where it is. Mounts beneath it are stopped at, and shown as empty directories.
    Live,
}

/// Resolution never leaves the directory that it starts from, follows no link and enters no other mount.
const STRICT: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const REFERENCE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An exported directory.
#[derive(Debug)]
pub(crate) struct RootDir {
    /// Opened for reading: `open_by_handle_at` refuses `O_PATH` descriptors as the mount.
    directory: OwnedFd,
    /// Closing it would take the private copy of the mount apart.
    _tree: Option<OwnedFd>,
    view: MountView,
    stat: Stat,
    /// The kernel's number of the mount, where the file system has handles.
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

    /// The attributes that the directory had when it was opened: its identity, not its times.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Whether a file is in the root's own mount, by the mount's number.
    pub(crate) fn is_mount(&self, id: i32) -> bool {
        self.mount == Some(id)
    }

    pub(crate) fn is_root(&self, stat: &Stat) -> bool {
        stat.st_ino == self.stat.st_ino && stat.st_dev == self.stat.st_dev
    }

    /// Whether a directory lies in the root. One that was moved out of it keeps its handle, and must not become a
    /// door to its new surroundings.
    pub(crate) fn contains(&self, directory: BorrowedFd<'_>) -> Result<bool, Errno> {
        let mut stat = rustix::fs::fstat(directory)?;
        let mut way_up = Vec::new();
        loop {
            if self.is_root(&stat) {
                return Ok(true);
            }
            way_up.extend_from_slice(b"../");
            let above = match rustix::fs::statat(directory, &*way_up, AtFlags::empty()) {
                Ok(above) => above,
                // The kernel's own verdict in a private view: the way up does not pass its root.
                Err(Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(errno),
            };
            if above.st_ino == stat.st_ino && above.st_dev == stat.st_dev {
                return Ok(false);
            }
            stat = above;
        }
    }
}

/// Opens an entry of a directory by its name, without reading it: a link is itself, a device is not touched.
pub(crate) fn open_entry(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(directory, path, REFERENCE, Mode::empty(), STRICT)
}

/// Opens a directory for listing. `O_NOATIME` is for owners and the privileged.
pub(crate) fn open_directory(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, c".", flags | OFlags::NOATIME, Mode::empty()).or_else(|errno| {
        match errno {
            Errno::PERM => rustix::fs::openat(directory, c".", flags, Mode::empty()),
            other => Err(other),
        }
    })
}

/// A copy of the mount that `directory` is in, from there down, without what is mounted beneath, in no name space.
fn private_copy(directory: BorrowedFd<'_>) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(directory, c"", flags).ok()?;
    // From 5.2 to 5.11 the copy stays as writable as its origin, which nothing here makes use of.
    let _ = netroot_sys::handle::make_mount_read_only(&tree);
    Some(tree)
}
