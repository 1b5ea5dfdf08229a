//! The exported directory tree: from handles to files, and never to one outside.

pub(crate) mod attributes;
mod file_cache;
pub(crate) mod handle;
pub(crate) mod handle_key;
mod handle_scheme;
mod hidden;
mod inode_index;
mod kernel_handle;
pub(crate) mod name;
mod name_index;
pub(crate) mod node;
pub(crate) mod root_dir;
pub(crate) mod status;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use netroot_sys::handle as kernel;
use nfs3_types::nfs3::{fattr3, nfsstat3};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::hidden_paths::HiddenPaths;
use crate::open_file_limit;
use file_cache::FileCache;
use handle::{FileId, Handle, HandleError, HandleSigner, InodeId};
use handle_key::HandleKey;
pub use handle_scheme::HandleScheme;
use hidden::Hidden;
use inode_index::InodeIndex;
use name_index::NameIndex;
use node::{Node, OpenFile, is_directory};
use root_dir::{MountView, RootDir, RootDirError, open_directory, open_entry};

/// How many files a tree keeps open that only few clients use.
const FEW_FILES: usize = 256;

/// A directory and everything below it, as clients see it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: RootDir,
    scheme: HandleScheme,
    signer: HandleSigner,
    fsid: u64,
    index: InodeIndex,
    names: NameIndex,
    cache: FileCache,
    hidden: Option<Hidden>,
}

/// Why a directory cannot be opened as a tree.
#[derive(Debug)]
pub(crate) enum TreeError {
    /// The directory itself.
    Root(RootDirError),
    /// Its identity.
    Identity(io::Error),
    /// The paths of what is to be hidden.
    Hidden(io::Error),
}

/// A file found by name.
pub(crate) struct Found {
    pub(crate) handle: Handle,
    pub(crate) node: Node,
    pub(crate) stat: Stat,
}

impl Tree {
    /// Opens the directory at `path`. Handles depend on `name`, the key and the identity of the directory only.
    pub(crate) fn open(
        path: &Path,
        name: &str,
        key: &HandleKey,
        hidden: &HiddenPaths,
    ) -> Result<Self, TreeError> {
        let root = RootDir::open(path).map_err(TreeError::Root)?;
        let own = kernel_handle::of_root(&root);
        let scheme = match own {
            Some(_) => HandleScheme::Kernel,
            None => HandleScheme::Inodes,
        };
        let generation = inode_index::generation(root.directory())
            .map_err(|errno| TreeError::Identity(errno.into()))?;
        let identity = [
            name.as_bytes(),
            &[0],
            own.as_ref().map_or(&[][..], kernel::KernelHandle::bytes),
            &root.stat().st_ino.to_be_bytes(),
            &generation.to_be_bytes(),
        ]
        .concat();
        let signer = HandleSigner::new(key, &identity);
        let hidden =
            Hidden::find(hidden, &root).map_err(|errno| TreeError::Hidden(errno.into()))?;
        Ok(Self {
            hidden,
            fsid: u64::from(signer.export_id()),
            root,
            scheme,
            signer,
            index: InodeIndex::default(),
            names: NameIndex::default(),
            cache: FileCache::new(open_file_limit::files_to_keep_open()),
        })
    }

    /// The number in every handle of this tree.
    pub(crate) fn export_id(&self) -> u32 {
        self.signer.export_id()
    }

    /// Whether the directory has been deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        rustix::fs::fstat(self.root.directory()).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Closes the files that are open, and keeps fewer open from now on.
    pub(crate) fn keep_few_files_open(&self) {
        self.cache.shrink(FEW_FILES);
    }

    pub(crate) fn handle_scheme(&self) -> HandleScheme {
        self.scheme
    }

    pub(crate) fn mount_view(&self) -> MountView {
        self.root.view()
    }

    pub(crate) fn root(&self) -> &RootDir {
        &self.root
    }

    pub(crate) fn attributes(&self, stat: &Stat) -> fattr3 {
        attributes::from_stat(stat, self.fsid)
    }

    /// The verifier of directory cookies (RFC 1813 §3.3.16). A file system with handles keeps its cookies valid when
    /// the directory changes, as nfsd relies on too; elsewhere a changed directory is listed again.
    pub(crate) fn cookie_verifier(&self, directory: &Stat) -> [u8; 8] {
        match self.scheme {
            HandleScheme::Kernel => self.fsid.to_be_bytes(),
            HandleScheme::Inodes => {
                let seconds = directory.st_mtime.to_be_bytes();
                let nanoseconds = directory.st_mtime_nsec.to_be_bytes();
                let mut mixed = seconds;
                for (byte, other) in mixed.iter_mut().zip(nanoseconds.iter().rev()) {
                    *byte ^= other;
                }
                mixed
            }
        }
    }

    /// The file behind a handle that a client sent.
    pub(crate) fn resolve(&self, handle: &Handle) -> Result<Arc<Node>, Unresolved> {
        // The cache contains only handles that were made here or verified.
        if let Some(known) = self.cache.find(handle) {
            if let Node::Open(open) = &*known
                && open.is_due_for_check()
                && (self.root.contains(open.reference()) != Ok(true)
                    || self.is_hidden(open.reference(), &known.stat().map_err(Unresolved::Failed)?))
            {
                self.cache.remove(handle);
                return Err(Unresolved::Stale);
            }
            return Ok(known);
        }
        let id = self.signer.verify(handle).map_err(Unresolved::Foreign)?;
        let node = self.open_id(&id).map_err(|errno| match errno {
            Errno::STALE | Errno::NOENT | Errno::INVAL => Unresolved::Stale,
            other => Unresolved::Failed(other),
        })?;
        Ok(self.cache.insert(*handle, Arc::new(node)))
    }

    fn open_id(&self, id: &FileId) -> Result<Node, Errno> {
        let file = match id {
            FileId::MountPoint { inode } => return Ok(Node::mount_point(*inode, self.root.stat())),
            FileId::Kernel(handle) => kernel_handle::open(&self.root, handle, OFlags::PATH)?,
            FileId::Inode(id) => self.index.open(&self.root, id)?,
        };
        let stat = rustix::fs::fstat(&file)?;
        // Only directories have a parent to follow; a file keeps its handle when it is moved out of the root within the
        // file system, as with nfsd.
        if is_directory(&stat) && !self.root.contains(file.as_fd())? {
            return Err(Errno::STALE);
        }
        if self.is_hidden(file.as_fd(), &stat) {
            return Err(Errno::STALE);
        }
        Ok(Node::Open(OpenFile::new(file, &stat)))
    }

    /// Whether a file that was opened by its handle is not to be shown.
    fn is_hidden(&self, file: BorrowedFd<'_>, stat: &Stat) -> bool {
        let Some(hidden) = &self.hidden else {
            return false;
        };
        if hidden.refresh(&self.root) {
            // A file that is open may be hidden now.
            self.cache.clear();
        }
        hidden.hides(&self.root, file, stat)
    }

    /// Whether an entry of a directory is not to be shown.
    pub(crate) fn hides_entry(&self, directory: &Node, name: &[u8]) -> bool {
        match (&self.hidden, directory) {
            (Some(hidden), Node::Open(open)) => {
                hidden.hides_entry(&self.root, open.reference(), name)
            }
            _ => false,
        }
    }

    /// Drops the file of this handle from the cache.
    pub(crate) fn forget(&self, handle: &Handle) {
        self.cache.remove(handle);
    }

    /// The handle of the root, or of a directory below it for clients that mount only that.
    pub(crate) fn mount(&self, below: &[u8]) -> Result<Handle, nfsstat3> {
        let directory = open_directory(self.root.directory()).map_err(status::from_errno)?;
        let stat = rustix::fs::fstat(&directory).map_err(status::from_errno)?;
        let mut found = self
            .identify(directory, stat, 0, b"")
            .map_err(status::from_errno)?;
        for part in below.split(|byte| *byte == b'/') {
            if !part.is_empty() && part != b"." {
                found = self.find(&found.node, part)?;
            }
        }
        if !is_directory(&found.stat) {
            return Err(nfsstat3::NFS3ERR_NOTDIR);
        }
        Ok(found.handle)
    }

    /// Looks `name` up and keeps the file open, since most lookups are followed by other calls for the file.
    pub(crate) fn lookup(&self, directory: &Node, name: &[u8]) -> Result<(Handle, Stat), nfsstat3> {
        if let Some(known) = self.lookup_known(directory, name) {
            return Ok(known);
        }
        let found = self.find(directory, name)?;
        self.cache.insert(found.handle, Arc::new(found.node));
        Ok((found.handle, found.stat))
    }

    /// Looks up a file that is already open: one system call on the file system instead of four, with an equally fresh
    /// result. `None` in all other cases; [`Tree::find`] then decides.
    pub(crate) fn lookup_known(&self, directory: &Node, name: &[u8]) -> Option<(Handle, Stat)> {
        if self.hides_entry(directory, name) {
            return None;
        }
        let Node::Open(directory) = directory else {
            return None;
        };
        if self.scheme != HandleScheme::Kernel {
            return None;
        }
        // A single name leads to an entry of this directory, and this call follows no link; a file in another mount
        // is never in the cache under a handle of this tree.
        let mut entry = [0; name::NAME_MAX + 1];
        let name = name::check(name).ok()?;
        entry.get_mut(..name.len())?.copy_from_slice(name);
        let entry = CStr::from_bytes_until_nul(&entry).ok()?;
        let (kernel, mount) = kernel::of_entry(directory.reference(), entry).ok()?;
        if !self.root.is_mount(mount) {
            return None;
        }
        let handle = self.signer.sign(&FileId::Kernel(kernel))?;
        let stat = self.cache.find(&handle)?.stat().ok()?;
        Some((handle, stat))
    }

    /// Looks `name` up.
    pub(crate) fn find(&self, directory: &Node, name: &[u8]) -> Result<Found, nfsstat3> {
        let parent = match directory {
            Node::Open(parent) => parent.reference(),
            Node::MountPoint(_) => return Err(nfsstat3::NFS3ERR_NOENT),
        };
        let name = name::check(name)?;
        if self.hides_entry(directory, name) {
            return Err(nfsstat3::NFS3ERR_NOENT);
        }
        let file = match open_entry(parent, name) {
            Ok(file) => file,
            // Something is mounted here, which occurs only in a live view.
            Err(Errno::XDEV) => return self.mount_point(parent, name).map_err(status::from_errno),
            Err(errno) => return Err(status::from_errno(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(status::from_errno)?;
        // A btrfs subvolume is not a mount, but has inode numbers of its own: clients would see duplicate numbers in
        // one file system.
        if is_directory(&stat) && stat.st_dev != self.root.stat().st_dev {
            return self.mount_point(parent, name).map_err(status::from_errno);
        }
        let parent_inode = match self.scheme {
            HandleScheme::Kernel => 0,
            HandleScheme::Inodes => {
                rustix::fs::fstat(parent)
                    .map_err(status::from_errno)?
                    .st_ino
            }
        };
        self.identify(file, stat, parent_inode, name)
            .map_err(status::from_errno)
    }

    fn identify(
        &self,
        file: OwnedFd,
        stat: Stat,
        parent: u64,
        name: &[u8],
    ) -> Result<Found, Errno> {
        let id = match self.scheme {
            HandleScheme::Kernel => kernel::of(&file)
                .map(|(handle, _)| FileId::Kernel(handle))
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?,
            HandleScheme::Inodes if self.root.is_root(&stat) => FileId::Inode(InodeId {
                inode: stat.st_ino,
                generation: inode_index::generation(file.as_fd())?,
                parent: 0,
            }),
            HandleScheme::Inodes => {
                FileId::Inode(self.index.identify(file.as_fd(), &stat, parent, name)?)
            }
        };
        let handle = self.signer.sign(&id).ok_or(Errno::OVERFLOW)?;
        let node = Node::Open(OpenFile::new(file, &stat));
        Ok(Found { handle, node, stat })
    }

    /// The directory `name` that something is mounted on: its parent still lists the inode number.
    fn mount_point(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<Found, Errno> {
        let mut inode = None;
        inode_index::for_each_entry(open_directory(parent)?.as_fd(), |entry, kind, listed| {
            if listed == name && kind == FileType::Directory {
                inode = Some(entry);
            }
            listed != name
        })?;
        // A file that something is mounted on cannot be shown as an empty directory.
        let inode = inode.ok_or(Errno::ACCESS)?;
        let handle = self
            .signer
            .sign(&FileId::MountPoint { inode })
            .ok_or(Errno::OVERFLOW)?;
        let node = Node::mount_point(inode, self.root.stat());
        let stat = node.stat()?;
        Ok(Found { handle, node, stat })
    }

    /// The descriptor to read a regular file from.
    pub(crate) fn content<'a>(
        &self,
        handle: &Handle,
        file: &'a OpenFile,
    ) -> Result<BorrowedFd<'a>, Errno> {
        file.content(|| {
            // O_NONBLOCK in case it is not a regular file after all.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let kernel = match self.signer.verify(handle) {
                Ok(FileId::Kernel(handle)) => Some(handle),
                _ => None,
            };
            let opened = with_and_without_noatime(flags, |flags| match &kernel {
                Some(handle) => kernel_handle::open(&self.root, handle, flags),
                None => reopen(file.reference(), flags),
            });
            match (opened, kernel) {
                // Landlock: a file that is opened by its handle may have no path, and so no folder that allows it.
                (Err(Errno::ACCESS), Some(handle)) => {
                    let inode = rustix::fs::fstat(file.reference())?.st_ino;
                    let named = self.names.find(&self.root, inode, &handle)?;
                    with_and_without_noatime(flags, |flags| reopen(named.as_fd(), flags))
                }
                (opened, _) => opened,
            }
        })
    }
}

/// Only a file's owner and root may leave its access time unchanged.
fn with_and_without_noatime(
    flags: OFlags,
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        result => result,
    }
}

/// Opens an `O_PATH` descriptor's file for reading, through /proc.
fn reopen(file: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    rustix::fs::open(format!("/proc/self/fd/{number}"), flags, Mode::empty())
}

/// Why a handle cannot be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// It was not made by this export with this key.
    Foreign(HandleError),
    /// Its file has been deleted.
    Stale,
    /// The file could not be opened.
    Failed(Errno),
}
