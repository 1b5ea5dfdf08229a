//! One exported root: handles in, files out, and never one from outside.

use std::ffi::CStr;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_sys::handle as kernel;
use nfs3_types::nfs3::{fattr3, nfsstat3};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::address_list::AddressList;
use crate::open_file_limit;
use crate::tree::attributes;
use crate::tree::file_cache::Cache;
use crate::tree::handle::{FileId, Handle, HandleError, InodeId, LONGEST_KERNEL_HANDLE, Sealer};
use crate::tree::handle_key::HandleKey;
use crate::tree::inode_index::{self, Index};
use crate::tree::name;
use crate::tree::node::{Object, OpenObject};
use crate::tree::root_dir::{Root, RootError, View, open_directory, open_entry};
use crate::tree::status;

/// How a directory is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The paths that clients may mount it by, such as `/image` and `/`; the first is its name in lists. Each starts
    /// with `/`. Handles are good for as long as the first name stays the same.
    pub names: Vec<String>,
    /// The clients that may.
    pub allowed: AddressList,
    /// What handles are signed with. Keep it ([`HandleKey::load_or_create`]), or clients lose their root when the
    /// server restarts.
    pub key: HandleKey,
}

/// Why a directory cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No name, or one that does not start with `/`, or one with `..` in it.
    #[error("{name:?} cannot be the name of an export: give an absolute path without `..`")]
    Name {
        /// The offending name; empty when there was none.
        name: String,
    },
    /// The directory cannot be opened.
    #[error("{} cannot be exported", path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Which step failed.
        source: RootError,
    },
    /// The directory cannot be told from others.
    #[error("{} cannot be exported: its identity cannot be read", path.display())]
    Identity {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What file handles are made of, and so what they survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleScheme {
    /// Of the kernel's handles: they survive restarts, reboots, and files being moved within the root. Needs
    /// `CAP_DAC_READ_SEARCH` and a file system that can be exported.
    Kernel,
    /// Of inode numbers and times of birth. They survive restarts; the first unknown one after a restart costs a walk
    /// of the whole root, and a file system that numbers its inodes anew at each mount makes them stale.
    Inodes,
}

/// A directory ready to be served.
#[derive(Debug)]
pub struct Export {
    names: Vec<String>,
    allowed: AddressList,
    root: Root,
    scheme: HandleScheme,
    sealer: Sealer,
    fsid: u64,
    index: Index,
    cache: Cache,
}

/// A file found by name.
pub(crate) struct Found {
    pub(crate) handle: Handle,
    pub(crate) object: Object,
    pub(crate) stat: Stat,
}

impl Export {
    /// Opens the directory at `path`, following links on the way to it.
    ///
    /// What is mounted at `path` now is what is exported until the value is dropped, whatever is mounted there later.
    ///
    /// # Errors
    /// [`ExportError`], which names the directory and what was tried.
    pub fn open(path: &Path, options: ExportOptions) -> Result<Self, ExportError> {
        let unfit =
            |name: &&String| !name.starts_with('/') || name.split('/').any(|part| part == "..");
        if let Some(name) = options.names.iter().find(unfit) {
            let name = name.clone();
            return Err(ExportError::Name { name });
        }
        let Some(first) = options.names.first() else {
            let name = String::new();
            return Err(ExportError::Name { name });
        };
        let root = Root::open(path).map_err(|source| ExportError::Root {
            path: path.to_owned(),
            source,
        })?;
        let own = kernel_handle(&root);
        let scheme = match own {
            Some(_) => HandleScheme::Kernel,
            None => HandleScheme::Inodes,
        };
        let generation =
            inode_index::generation(root.directory()).map_err(|errno| ExportError::Identity {
                path: path.to_owned(),
                source: errno.into(),
            })?;
        let identity = [
            first.as_bytes(),
            &[0],
            own.as_ref().map_or(&[][..], kernel::KernelHandle::bytes),
            &root.stat().st_ino.to_be_bytes(),
            &generation.to_be_bytes(),
        ]
        .concat();
        let sealer = Sealer::new(&options.key, &identity);
        let export = Self {
            fsid: u64::from(sealer.export()),
            names: options.names,
            allowed: options.allowed,
            root,
            scheme,
            sealer,
            index: Index::default(),
            cache: Cache::new(open_file_limit::files_to_keep_open()),
        };
        Ok(export)
    }

    /// The paths that it is mounted by.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What its handles are made of.
    #[must_use]
    pub fn handles(&self) -> HandleScheme {
        self.scheme
    }

    /// What it shows where something is mounted beneath it.
    #[must_use]
    pub fn view(&self) -> View {
        self.root.view()
    }

    pub(crate) fn allowed(&self) -> &AddressList {
        &self.allowed
    }

    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allowed.contains(client)
    }

    /// The number in every handle of this export.
    pub(crate) fn identity(&self) -> u32 {
        self.sealer.export()
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn attributes(&self, stat: &Stat) -> fattr3 {
        attributes::from_stat(stat, self.fsid)
    }

    /// The verifier of directory cookies (RFC 1813 §3.3.16). A file system with handles keeps its cookies valid
    /// whatever happens to the directory, as nfsd relies on too; elsewhere a changed directory is listed anew.
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
    pub(crate) fn resolve(&self, handle: &Handle) -> Result<Arc<Object>, Unresolved> {
        // Only handles that we made ourselves or have checked are in the cache.
        if let Some(known) = self.cache.find(handle) {
            if let Object::Open(open) = &*known
                && open.is_doubtful()
                && self.root.contains(open.reference()) != Ok(true)
            {
                self.cache.forget(handle);
                return Err(Unresolved::Stale);
            }
            return Ok(known);
        }
        let id = self.sealer.open(handle).map_err(Unresolved::Foreign)?;
        let object = self.open_id(&id).map_err(|errno| match errno {
            Errno::STALE | Errno::NOENT | Errno::INVAL => Unresolved::Stale,
            other => Unresolved::Failed(other),
        })?;
        Ok(self.cache.keep(*handle, Arc::new(object)))
    }

    fn open_id(&self, id: &FileId) -> Result<Object, Errno> {
        let file = match id {
            FileId::Covered { inode } => return Ok(Object::covered(*inode, self.root.stat())),
            FileId::Kernel(handle) => open_kernel(&self.root, handle, OFlags::PATH)?,
            FileId::Inode(id) => self.index.open(&self.root, id)?,
        };
        let stat = rustix::fs::fstat(&file)?;
        // Only directories know the way up; a file keeps its handle when it is moved out of the root within the same
        // file system, as it does with nfsd.
        if is_directory(&stat) && !self.root.contains(file.as_fd())? {
            return Err(Errno::STALE);
        }
        Ok(Object::Open(OpenObject::new(file, &stat)))
    }

    /// Forgets what the cache holds open for this handle.
    pub(crate) fn forget(&self, handle: &Handle) {
        self.cache.forget(handle);
    }

    /// The handle of the root, or of a directory beneath it for clients that mount no more than that.
    pub(crate) fn mount(&self, below: &[u8]) -> Result<Handle, nfsstat3> {
        let directory = open_directory(self.root.directory()).map_err(status::from_errno)?;
        let stat = rustix::fs::fstat(&directory).map_err(status::from_errno)?;
        let mut found = self
            .identify(directory, stat, 0, b"")
            .map_err(status::from_errno)?;
        for part in below.split(|byte| *byte == b'/') {
            if !part.is_empty() && part != b"." {
                found = self.find(&found.object, part)?;
            }
        }
        if !is_directory(&found.stat) {
            return Err(nfsstat3::NFS3ERR_NOTDIR);
        }
        Ok(found.handle)
    }

    /// Looks `name` up and keeps what it found open, because most files that are looked up are asked about next.
    pub(crate) fn lookup(
        &self,
        directory: &Object,
        name: &[u8],
    ) -> Result<(Handle, Stat), nfsstat3> {
        if let Some(known) = self.lookup_known(directory, name) {
            return Ok(known);
        }
        let found = self.find(directory, name)?;
        self.cache.keep(found.handle, Arc::new(found.object));
        Ok((found.handle, found.stat))
    }

    /// Looks up a file that is held open already: one question to the file system instead of four, and the answer is as
    /// fresh. `None` whenever anything is out of the ordinary; [`Export::find`] then says what.
    pub(crate) fn lookup_known(&self, directory: &Object, name: &[u8]) -> Option<(Handle, Stat)> {
        let Object::Open(directory) = directory else {
            return None;
        };
        if self.scheme != HandleScheme::Kernel {
            return None;
        }
        // A name of one entry leads nowhere else, and this call follows no link; what it finds in another mount was
        // never let into the cache under a handle of ours.
        let mut entry = [0; name::LONGEST + 1];
        let name = name::check(name).ok()?;
        entry.get_mut(..name.len())?.copy_from_slice(name);
        let entry = CStr::from_bytes_until_nul(&entry).ok()?;
        let (kernel, mount) = kernel::of_entry(directory.reference(), entry).ok()?;
        if !self.root.is_mount(mount) {
            return None;
        }
        let handle = self.sealer.seal(&FileId::Kernel(kernel))?;
        let stat = self.cache.find(&handle)?.stat().ok()?;
        Some((handle, stat))
    }

    /// Looks `name` up.
    pub(crate) fn find(&self, directory: &Object, name: &[u8]) -> Result<Found, nfsstat3> {
        let parent = match directory {
            Object::Open(parent) => parent.reference(),
            Object::Covered(_) => return Err(nfsstat3::NFS3ERR_NOENT),
        };
        let name = name::check(name)?;
        let file = match open_entry(parent, name) {
            Ok(file) => file,
            // Something is mounted here, which only a shared view can meet.
            Err(Errno::XDEV) => return self.covered(parent, name).map_err(status::from_errno),
            Err(errno) => return Err(status::from_errno(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(status::from_errno)?;
        // A btrfs subvolume is no mount, but numbers its inodes by itself: to clients it would be one file system
        // with every number twice.
        if is_directory(&stat) && stat.st_dev != self.root.stat().st_dev {
            return self.covered(parent, name).map_err(status::from_errno);
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
        let handle = self.sealer.seal(&id).ok_or(Errno::OVERFLOW)?;
        let object = Object::Open(OpenObject::new(file, &stat));
        Ok(Found {
            handle,
            object,
            stat,
        })
    }

    /// The directory `name` that something is mounted on: its parent still lists its own inode number.
    fn covered(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Result<Found, Errno> {
        let mut inode = None;
        inode_index::list(open_directory(parent)?.as_fd(), |entry, kind, listed| {
            if listed == name && kind == FileType::Directory {
                inode = Some(entry);
            }
            listed != name
        })?;
        // A file that another one is mounted on cannot be shown empty without lying.
        let inode = inode.ok_or(Errno::ACCESS)?;
        let handle = self
            .sealer
            .seal(&FileId::Covered { inode })
            .ok_or(Errno::OVERFLOW)?;
        let object = Object::covered(inode, self.root.stat());
        let stat = object.stat()?;
        Ok(Found {
            handle,
            object,
            stat,
        })
    }

    /// The descriptor to read a regular file from.
    pub(crate) fn content<'a>(
        &self,
        handle: &Handle,
        object: &'a OpenObject,
    ) -> Result<BorrowedFd<'a>, Errno> {
        object.content(|| {
            // Nonblocking, should it not be a regular file after all.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let open = |flags| match self.sealer.open(handle) {
                Ok(FileId::Kernel(handle)) => open_kernel(&self.root, &handle, flags),
                // Without kernel handles the way from a reference to its content goes through /proc.
                _ => rustix::fs::open(
                    format!(
                        "/proc/self/fd/{}",
                        std::os::fd::AsRawFd::as_raw_fd(&object.reference())
                    ),
                    flags,
                    Mode::empty(),
                ),
            };
            match open(flags | OFlags::NOATIME) {
                Err(Errno::PERM) => open(flags),
                result => result,
            }
        })
    }
}

/// Why a handle leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// It was not made by this export with this key.
    Foreign(HandleError),
    /// Its file is gone.
    Stale,
    /// The file could not be opened.
    Failed(Errno),
}

pub(crate) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn open_kernel(
    root: &Root,
    handle: &kernel::KernelHandle,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    kernel::open(root.directory(), handle, flags)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The root's own kernel handle, if the file system makes handles, they fit, and we may open them.
fn kernel_handle(root: &Root) -> Option<kernel::KernelHandle> {
    let (handle, _) = kernel::of(root.directory()).ok()?;
    let fits = handle.bytes().len() <= LONGEST_KERNEL_HANDLE && u8::try_from(handle.kind()).is_ok();
    let opens = open_kernel(root, &handle, OFlags::PATH).is_ok();
    (fits && opens).then_some(handle)
}
