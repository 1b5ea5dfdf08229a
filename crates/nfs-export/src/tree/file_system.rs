//! One file system of a tree: its root, and the number by which clients know each of its files.
//!
//! NFS clients take files with the same number (`fileid`) in one file system (`fsid`) for the same file, and a file whose
//! number changes for another one. So it is `st_ino` where that is unique and lasting, and elsewhere a hash of what is:
//!
//! | files | their number |
//! |---|---|
//! | of the main file system | `st_ino` |
//! | of one that is mounted below it | hash of the mount point and `st_ino` |
//! | of a btrfs subvolume in either | hash of the kernel's handle, which contains the subvolume |
//! | empty directories in a btrfs snapshot, where there was a subvolume | hash of the path |
//! | of overlayfs with handles, whose layers may have the same inode numbers | hash of the kernel's handle |
//! | of overlayfs without handles, FUSE, vfat: directories, and files with one name | hash of the path |
//! | … with several names, but for FUSE, which may not know them all | hash of inode number and time of birth |

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netroot_sys::handle as kernel;
use rustix::fs::{AtFlags, FileType, OFlags, Stat, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use crate::tree::handle::{HandleSigner, MAX_KERNEL_HANDLE, PlaceId};
use crate::tree::handle_scheme::HandleScheme;
use crate::tree::kinds::{Kind, Listing};
use crate::tree::root_dir::RootDir;

/// A file system of a tree, or the part of it that is below its root.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub(super) root: RootDir,
    pub(super) scheme: HandleScheme,
    pub(super) signer: HandleSigner,
    numbers: Numbers,
    listing: Listing,
    links: bool,
    /// Inode numbers are shown as they are.
    plain: bool,
    root_id: u64,
}

/// The inode number of an empty directory in place of a subvolume (`BTRFS_EMPTY_SUBVOL_DIR_OBJECTID`).
const EMPTY_SUBVOLUME: u64 = 2;

/// What the numbers of files are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Inodes,
    Handles,
    Paths,
}

/// Why a directory cannot be the root of a file system of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoIdentity(pub(super) Errno);

impl FileSystem {
    /// Finds out what its handles and numbers are to be made of. `signer` makes a signer for what identifies the root.
    pub(super) fn new(
        root: RootDir,
        plain: bool,
        layers: &str,
        signer: impl Fn(&[&[u8]]) -> HandleSigner,
    ) -> Result<Self, NoIdentity> {
        let kind = Kind::of_file(root.directory()).map_err(NoIdentity)?;
        let own = if kind.handles { of_root(&root) } else { None };
        let scheme = match own {
            Some(_) => HandleScheme::Kernel,
            None if kind.inodes => HandleScheme::Inodes,
            None => HandleScheme::Paths,
        };
        let numbers = match scheme {
            HandleScheme::Paths => Numbers::Paths,
            HandleScheme::Kernel if kind.layered => Numbers::Handles,
            HandleScheme::Kernel | HandleScheme::Inodes => Numbers::Inodes,
        };
        let birth = generation(root.directory()).map_err(NoIdentity)?;
        let inode = root.stat().st_ino.to_be_bytes();
        let signer = match &own {
            _ if numbers != Numbers::Paths => {
                let handle = own.as_ref().map_or(&[][..], kernel::KernelHandle::bytes);
                signer(&[handle, &inode, &birth.to_be_bytes()])
            }
            // Neither inode number nor birth of the root of a mount last: the directory is made of several ones.
            _ if root.is_mount_root() => signer(&[b"layers", layers.as_bytes()]),
            _ => signer(&[b"layers", layers.as_bytes(), &birth.to_be_bytes()]),
        };
        let mut new = Self {
            root,
            scheme,
            signer,
            numbers,
            listing: kind.listing,
            links: kind.links,
            plain,
            root_id: 0,
        };
        new.root_id = match numbers {
            Numbers::Paths => new.path_id(0, b""),
            _ => new.file_id(new.root.directory(), new.root.stat()),
        };
        Ok(new)
    }

    /// The number of the root.
    pub(super) fn root_id(&self) -> u64 {
        self.root_id
    }

    /// The root, where files are known by their places.
    pub(super) fn place_of_root(&self) -> Result<PlaceId, Errno> {
        let generation = match self.by_paths() {
            true => 0,
            false => generation(self.root.directory())?,
        };
        Ok(PlaceId {
            file: self.root_id,
            generation,
            parent: 0,
        })
    }

    /// Whether files are known by their paths.
    pub(super) fn by_paths(&self) -> bool {
        self.numbers == Numbers::Paths
    }

    /// Whether a file is known by all of its names.
    pub(super) fn has_several_names(&self, stat: &Stat) -> bool {
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        self.links && !directory && stat.st_nlink > 1
    }

    /// Whether files are known by handles that are those of the layers below.
    pub(super) fn is_layered(&self) -> bool {
        self.numbers == Numbers::Handles
    }

    /// The number of an open file; not where files are known by their paths.
    pub(super) fn file_id(&self, file: BorrowedFd<'_>, stat: &Stat) -> u64 {
        match self.numbers {
            Numbers::Inodes if stat.st_dev == self.root.stat().st_dev => self.inode_id(stat.st_ino),
            _ => match kernel::of(file) {
                Ok((handle, _)) => self.handle_id(&handle),
                Err(_) => self.inode_on(stat.st_dev, stat.st_ino),
            },
        }
    }

    /// The number of the file with a kernel handle, which has just been opened.
    pub(super) fn id_by_handle(&self, handle: &kernel::KernelHandle, stat: &Stat) -> u64 {
        match self.numbers {
            Numbers::Inodes if stat.st_dev == self.root.stat().st_dev => self.inode_id(stat.st_ino),
            _ => self.handle_id(handle),
        }
    }

    /// Whether this is what btrfs shows where a snapshot's original has another subvolume: an empty directory that is
    /// made up anew each time, with the current time, and cannot be opened by its handle.
    pub(super) fn is_made_up(&self, stat: &Stat) -> bool {
        self.listing == Listing::InodesOfFiles
            && stat.st_ino == EMPTY_SUBVOLUME
            && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
    }

    fn inode_id(&self, inode: u64) -> u64 {
        if self.plain {
            return inode;
        }
        self.signer.number(b'i', inode, &[])
    }

    pub(super) fn handle_id(&self, handle: &kernel::KernelHandle) -> u64 {
        self.signer.number(b'h', 0, handle.bytes())
    }

    fn inode_on(&self, device: u64, inode: u64) -> u64 {
        self.signer.number(b'd', inode, &device.to_be_bytes())
    }

    /// The number of a file by its path: its name in the directory with the number `parent`.
    pub(super) fn path_id(&self, parent: u64, name: &[u8]) -> u64 {
        self.signer.number(b'p', parent, name)
    }

    /// The number of `name` in `directory` (or of `directory` itself, for an empty name) as a file that is known by its
    /// path and has several; `None` for a directory, and where names are not counted.
    pub(super) fn link_number(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<Option<LinkNumber>, Errno> {
        if !self.links {
            return Ok(None);
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let stat = rustix::fs::statx(directory, name, flags, wanted)?;
        if FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory {
            return Ok(None);
        }
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        // Layers may have the same inode numbers. Those without times of birth do not change (squashfs, EROFS).
        let which = if stat.stx_mask & StatxFlags::BTIME.bits() != 0 {
            [nanoseconds(stat.stx_btime), 0]
        } else if device != self.root.stat().st_dev {
            [nanoseconds(stat.stx_mtime), stat.stx_size]
        } else {
            [0; 2]
        };
        let which = which.map(u64::to_be_bytes).concat();
        Ok(Some(LinkNumber {
            id: self.signer.number(b'l', stat.stx_ino, &which),
            several_names: stat.stx_nlink > 1,
        }))
    }

    /// How the entries of a directory are numbered. `id` is the directory's own number.
    pub(crate) fn entry_numbers<'a>(&'a self, directory: &'a OwnedFd, id: u64) -> EntryNumbers<'a> {
        let foreign = self.listing != Listing::Inodes
            && rustix::fs::fstat(directory)
                .is_ok_and(|stat| stat.st_dev != self.root.stat().st_dev);
        EntryNumbers {
            files: self,
            directory: directory.as_fd(),
            id,
            foreign,
        }
    }

    pub(super) fn open_by_handle(
        &self,
        handle: &kernel::KernelHandle,
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        open(&self.root, handle, flags)
    }
}

/// The number of a file as one with several names, and whether it has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkNumber {
    pub(super) id: u64,
    pub(super) several_names: bool,
}

/// The numbers of the entries of one directory.
pub(crate) struct EntryNumbers<'a> {
    files: &'a FileSystem,
    directory: BorrowedFd<'a>,
    id: u64,
    /// It is in a subvolume.
    foreign: bool,
}

/// The number of an entry, and whether the file has several names if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryNumber {
    pub(crate) id: u64,
    /// The number that it has had with several names, if it has only one and is known by its path.
    pub(super) as_link: Option<u64>,
    pub(super) several_names: Option<bool>,
}

impl EntryNumber {
    fn new(id: u64, several_names: Option<bool>) -> Self {
        Self {
            id,
            as_link: None,
            several_names,
        }
    }

    pub(super) fn is(&self, number: u64) -> bool {
        self.id == number || self.as_link == Some(number)
    }
}

impl EntryNumbers<'_> {
    /// The number of an entry, which the file system lists as `inode` and `kind`.
    pub(crate) fn of(&self, inode: u64, kind: FileType, name: &[u8]) -> EntryNumber {
        let files = self.files;
        let known = |id| EntryNumber::new(id, None);
        let is_file = kind != FileType::Directory;
        match (files.numbers, files.listing) {
            _ if name == b"." => known(self.id),
            (Numbers::Paths, _) if is_file => self.by_path(name),
            (Numbers::Paths, _) => known(files.path_id(self.id, name)),
            (Numbers::Handles, _) => known(
                self.by_handle(name)
                    .unwrap_or_else(|| files.inode_id(inode)),
            ),
            (Numbers::Inodes, Listing::Inodes) => known(files.inode_id(inode)),
            (Numbers::Inodes, Listing::InodesOfFiles) if is_file && !self.foreign => {
                known(files.inode_id(inode))
            }
            (Numbers::Inodes, _) => self.by_attributes(inode, name),
        }
    }

    fn by_path(&self, name: &[u8]) -> EntryNumber {
        let path = self.files.path_id(self.id, name);
        match self.files.link_number(self.directory, name) {
            Ok(Some(link)) if link.several_names => EntryNumber::new(link.id, Some(true)),
            link => EntryNumber {
                as_link: link.ok().flatten().map(|link| link.id),
                ..EntryNumber::new(path, Some(false))
            },
        }
    }

    fn by_attributes(&self, inode: u64, name: &[u8]) -> EntryNumber {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let Ok(stat) = rustix::fs::statat(self.directory, name, flags) else {
            return EntryNumber::new(self.files.inode_id(inode), None);
        };
        let id = if self.files.is_made_up(&stat) {
            self.files.path_id(self.id, name)
        } else if stat.st_dev == self.files.root.stat().st_dev {
            self.files.inode_id(stat.st_ino)
        } else {
            let unnamed = || self.files.inode_on(stat.st_dev, stat.st_ino);
            self.by_handle(name).unwrap_or_else(unnamed)
        };
        EntryNumber::new(id, Some(stat.st_nlink > 1))
    }

    fn by_handle(&self, name: &[u8]) -> Option<u64> {
        let name = std::ffi::CString::new(name).ok()?;
        let (handle, _) = kernel::of_entry(self.directory, &name).ok()?;
        Some(self.files.handle_id(&handle))
    }
}

/// The birth time in nanoseconds, which distinguishes successive uses of an inode number; 0 if unknown.
pub(super) fn generation(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let statx = rustix::fs::statx(file, c"", flags, StatxFlags::BTIME)?;
    let known = statx.stx_mask & StatxFlags::BTIME.bits() != 0;
    Ok(if known {
        nanoseconds(statx.stx_btime)
    } else {
        0
    })
}

fn nanoseconds(time: StatxTimestamp) -> u64 {
    u64::from_ne_bytes(time.tv_sec.to_ne_bytes())
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(time.tv_nsec))
}

fn open(root: &RootDir, handle: &kernel::KernelHandle, flags: OFlags) -> Result<OwnedFd, Errno> {
    kernel::open(root.directory(), handle, flags)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The root's own kernel handle, if the file system makes handles, they fit, and we may open them.
fn of_root(root: &RootDir) -> Option<kernel::KernelHandle> {
    let (handle, _) = kernel::of(root.directory()).ok()?;
    let fits = handle.bytes().len() <= MAX_KERNEL_HANDLE && u8::try_from(handle.kind()).is_ok();
    let opens = open(root, &handle, OFlags::PATH).is_ok();
    (fits && opens).then_some(handle)
}

#[cfg(test)]
impl FileSystem {
    /// The main file system of a tree.
    pub(super) fn for_test(path: &std::path::Path) -> Self {
        let key = crate::tree::handle_key::HandleKey::from_bytes([7; 16]);
        let public = RootDir::public(path).unwrap();
        let root = RootDir::new(public.as_fd(), false).unwrap();
        Self::new(root, true, "", |identity| {
            HandleSigner::new(&key, &identity.concat())
        })
        .unwrap()
    }
}
