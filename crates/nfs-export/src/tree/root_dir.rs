//! The exported directory, and the only functions that open anything in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;

use crate::tree::kinds::{self, Kind};

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
    /// It shows a state of this machine's kernel.
    #[error(
        "it is on {0}, which shows a state of this machine's kernel and contains no files; give the directory of a root"
    )]
    Pseudo(&'static str),
    /// A FUSE file system that lets in nobody else.
    #[error(
        "it is on a FUSE file system that lets in only the user who mounted it, not even root; mount it with -o allow_other"
    )]
    FuseOfOneUser,
}

/// What an export shows of file systems that are mounted below its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountView {
    /// A private, read-only copy of the mount that the directory is in, and one of each mount below it that is served:
    /// the `/proc` and `/dev` of a running chroot are the empty directories that are mounted over. Needs `CAP_SYS_ADMIN`.
    PrivateCopy,
    /// The directory as it is. Mounts below it that are not served are shown as empty directories.
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
    whole: bool,
}

impl RootDir {
    /// The directory at `path`, to make a `RootDir` of.
    pub(super) fn public(path: &Path) -> Result<OwnedFd, RootDirError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| RootDirError::Open(errno.into()))
    }

    /// `whole` says whether it is the root of a file system.
    pub(super) fn new(public: BorrowedFd<'_>, whole: bool) -> Result<Self, RootDirError> {
        if let Some(pseudo) = Kind::of_file(public).ok().and_then(|kind| kind.pseudo) {
            return Err(RootDirError::Pseudo(pseudo));
        }
        let tree = private_copy(public);
        let start = tree.as_ref().map_or(public, AsFd::as_fd);
        let directory = open_directory(start).map_err(|errno| match errno {
            Errno::ACCESS if kinds::is_fuse(public) => RootDirError::FuseOfOneUser,
            errno => RootDirError::Open(errno.into()),
        })?;
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
            whole,
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

    /// Opens a directory below it for listing, on the same file system.
    pub(super) fn open_below(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return open_directory(self.directory());
        }
        open_directory(open_entry(self.directory(), path)?.as_fd())
    }

    /// Whether it is a whole file system, not a directory in it.
    pub(super) fn is_mount_root(&self) -> bool {
        self.whole
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

/// Whether a directory is the root of a mount (since Linux 5.8).
pub(super) fn is_mount_root(directory: BorrowedFd<'_>) -> bool {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    rustix::fs::statx(directory, c"", flags, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a directory below another one, on whatever is mounted there; links are not followed.
pub(super) fn open_mounted(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let anywhere = STRICT.difference(ResolveFlags::NO_XDEV);
    rustix::fs::openat2(directory, path, REFERENCE, Mode::empty(), anywhere)
}

/// Opens an entry of a directory as `O_PATH`: links are not followed, devices not opened.
pub(crate) fn open_entry(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat2(directory, path, REFERENCE, Mode::empty(), STRICT)
}

/// Opens what `..` of a directory leads to, wherever that is.
pub(super) fn open_above(directory: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, c"..", flags, Mode::empty())
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
