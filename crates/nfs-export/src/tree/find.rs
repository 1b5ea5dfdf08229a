//! From names to files and their handles.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use netroot_sys::handle as kernel;
use nfs3_types::nfs3::nfsstat3;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::tree::file_system::{FileSystem, generation};
use crate::tree::handle::{FileId, Handle, PlaceId};
use crate::tree::listing::for_each_entry;
use crate::tree::node::{KnownName, Node, OpenFile, Shown, is_directory};
use crate::tree::root_dir::{open_above, open_directory, open_entry};
use crate::tree::{HandleScheme, Tree, name, status};

/// A file found by name.
pub(crate) struct Found {
    pub(crate) handle: Handle,
    pub(crate) node: Node,
    /// As clients see it ([`Node::stat`]).
    pub(crate) stat: Stat,
}

impl Tree {
    /// The handle of the root, or of a directory below it for clients that mount only that.
    pub(crate) fn mount(&self, below: &[u8]) -> Result<Handle, nfsstat3> {
        let found = self.walk(below)?;
        if !is_directory(&found.stat) {
            return Err(nfsstat3::NFS3ERR_NOTDIR);
        }
        Ok(found.handle)
    }

    /// The file at a path below the root of the tree.
    fn walk(&self, below: &[u8]) -> Result<Found, nfsstat3> {
        let mut found = self.root_of_part(0).map_err(status::from_errno)?;
        for part in below.split(|byte| *byte == b'/') {
            if !part.is_empty() && part != b"." {
                found = self.find(&found.node, &found.stat, part)?;
            }
        }
        Ok(found)
    }

    /// What `..` in a directory leads to: never above the root, where it is the root.
    pub(crate) fn parent(&self, directory: &Node, stat: &Stat) -> Result<(Handle, Stat), nfsstat3> {
        let position = directory.shown().part;
        let part = self.part(position);
        if stat.st_ino == part.files.root_id() {
            let above = part.path.rsplit_once('/').map_or("", |(above, _)| above);
            let found = self.walk(above.as_bytes())?;
            return Ok((found.handle, found.stat));
        }
        let Node::Open(open) = directory else {
            return Err(nfsstat3::NFS3ERR_ACCES);
        };
        self.above(position, open).map_err(status::from_errno)
    }

    /// The directory above one that is not the root of its file system.
    fn above(&self, position: usize, directory: &OpenFile) -> Result<(Handle, Stat), Errno> {
        let part = self.part(position);
        let files = &part.files;
        let (id, stat) = match directory.name() {
            Some(known) => {
                let id = FileId::Place(PlaceId {
                    file: known.parent,
                    generation: 0,
                    parent: 0,
                });
                (id, self.open_id(position, part, &id)?.stat()?)
            }
            None => {
                let above = open_above(directory.reference())?;
                // It may have been moved out of the root a moment ago.
                if !files.root.contains(above.as_fd())? {
                    return Err(Errno::STALE);
                }
                let stat = rustix::fs::fstat(&above)?;
                let (id, number) = self.identity(files, &above, &stat)?;
                let shown = Shown {
                    part: position,
                    fsid: part.fsid,
                    number: Some(number),
                };
                (id, shown.apply(stat))
            }
        };
        let handle = files.signer.sign(&id).ok_or(Errno::OVERFLOW)?;
        Ok((handle, stat))
    }

    /// What identifies a directory that is not known by its path, and its number.
    fn identity(
        &self,
        files: &FileSystem,
        directory: &OwnedFd,
        stat: &Stat,
    ) -> Result<(FileId, u64), Errno> {
        if files.scheme == HandleScheme::Kernel {
            let (handle, _) = kernel::of(directory)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            let number = files.id_by_handle(&handle, stat);
            return Ok((FileId::Kernel(handle), number));
        }
        let id = PlaceId {
            file: files.file_id(directory.as_fd(), stat),
            generation: generation(directory.as_fd())?,
            parent: 0,
        };
        Ok((FileId::Place(id), id.file))
    }

    fn root_of_part(&self, position: usize) -> Result<Found, Errno> {
        let part = self.part(position);
        let directory = open_directory(part.files.root.directory())?;
        let stat = rustix::fs::fstat(&directory)?;
        self.identify(position, directory, stat, 0, b"")
    }

    /// Looks `name` up and keeps the file open, since most lookups are followed by other calls for the file.
    pub(crate) fn lookup(
        &self,
        directory: &Node,
        stat: &Stat,
        name: &[u8],
    ) -> Result<(Handle, Stat), nfsstat3> {
        if let Some(known) = self.lookup_known(directory, stat, name) {
            return Ok(known);
        }
        let found = self.find(directory, stat, name)?;
        self.keep(found.handle, found.node);
        Ok((found.handle, found.stat))
    }

    fn keep(&self, handle: Handle, node: Node) {
        if let Node::Open(open) = &node
            && let Some(new) = open.name()
        {
            // Another file may have taken the place of the one that is open.
            let known = self.cache.find(&handle);
            let same = known.is_none_or(|known| match &*known {
                Node::Open(known) => known.name().is_some_and(|known| known.is_same(new)),
                Node::MountPoint(..) => false,
            });
            if !same {
                self.cache.remove(&handle);
            }
        }
        self.cache.insert(handle, Arc::new(node));
    }

    /// Looks up a file that is already open: one system call on the file system instead of four, with an equally fresh
    /// result. `None` in all other cases; [`Tree::find`] then decides.
    pub(crate) fn lookup_known(
        &self,
        directory: &Node,
        stat: &Stat,
        name: &[u8],
    ) -> Option<(Handle, Stat)> {
        if self.hides_entry(directory, name) {
            return None;
        }
        let part = self.part(directory.shown().part);
        let Node::Open(open) = directory else {
            return None;
        };
        if part.files.scheme != HandleScheme::Kernel || part.mounted_at(stat, name).is_some() {
            return None;
        }
        // A single name leads to an entry of this directory, and this call follows no link; a file in another mount
        // is never in the cache under a handle of this file system.
        let mut entry = [0; name::NAME_MAX + 1];
        let name = name::check(name).ok()?;
        entry.get_mut(..name.len())?.copy_from_slice(name);
        let entry = CStr::from_bytes_until_nul(&entry).ok()?;
        let (kernel, mount) = kernel::of_entry(open.reference(), entry).ok()?;
        if !part.files.root.is_mount(mount) {
            return None;
        }
        let handle = part.files.signer.sign(&FileId::Kernel(kernel))?;
        let stat = self.cache.find(&handle)?.stat().ok()?;
        Some((handle, stat))
    }

    /// Looks `name` up in a directory with the attributes `stat`.
    pub(crate) fn find(
        &self,
        directory: &Node,
        stat: &Stat,
        name: &[u8],
    ) -> Result<Found, nfsstat3> {
        let parent = match directory {
            Node::Open(parent) => parent.reference(),
            Node::MountPoint(..) => return Err(nfsstat3::NFS3ERR_NOENT),
        };
        let name = name::check(name)?;
        if self.hides_entry(directory, name) {
            return Err(nfsstat3::NFS3ERR_NOENT);
        }
        let position = directory.shown().part;
        if let Some(mounted) = self.part(position).mounted_at(stat, name) {
            return self.root_of_part(mounted).map_err(status::from_errno);
        }
        let found = match open_entry(parent, name) {
            Ok(file) => rustix::fs::fstat(&file)
                .and_then(|found| self.identify(position, file, found, stat.st_ino, name)),
            // Something is mounted here that is not served, which occurs only in a live view.
            Err(Errno::XDEV) => self.mount_point(position, parent, stat, name),
            Err(errno) => Err(errno),
        };
        found.map_err(status::from_errno)
    }

    /// Identifies a file that was found as `name` in the directory with the number `parent`.
    fn identify(
        &self,
        position: usize,
        file: OwnedFd,
        stat: Stat,
        parent: u64,
        name: &[u8],
    ) -> Result<Found, Errno> {
        let part = self.part(position);
        let files = &part.files;
        if files.is_made_up(&stat) {
            return self.empty_directory(position, files.path_id(parent, name));
        }
        let (id, number) = match files.scheme {
            HandleScheme::Kernel => {
                let (handle, _) = kernel::of(&file)
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                let number = files.id_by_handle(&handle, &stat);
                (FileId::Kernel(handle), number)
            }
            _ => {
                let id = match name {
                    [] => files.place_of_root()?,
                    name => part
                        .places
                        .identify(files, file.as_fd(), &stat, (parent, name))?,
                };
                (FileId::Place(id), id.file)
            }
        };
        let handle = files.signer.sign(&id).ok_or(Errno::OVERFLOW)?;
        let shown = Shown {
            part: position,
            fsid: part.fsid,
            number: Some(number),
        };
        let known = (files.by_paths() && !name.is_empty()).then(|| KnownName {
            parent,
            name: name.into(),
            stat,
        });
        let node = Node::Open(OpenFile::new(file, &stat, shown, known));
        let stat = shown.apply(stat);
        Ok(Found { handle, node, stat })
    }

    /// The directory `name` that something is mounted on: its parent still lists a number for it.
    fn mount_point(
        &self,
        position: usize,
        parent: BorrowedFd<'_>,
        stat: &Stat,
        name: &[u8],
    ) -> Result<Found, Errno> {
        let part = self.part(position);
        let directory = open_directory(parent)?;
        let numbers = part.files.entry_numbers(&directory, stat.st_ino);
        let mut number = None;
        for_each_entry(directory.as_fd(), |inode, kind, listed| {
            if listed == name && kind == FileType::Directory {
                number = Some(numbers.of(inode, kind, listed).id);
            }
            listed != name
        })?;
        // A file that something is mounted on cannot be shown as an empty directory.
        self.empty_directory(position, number.ok_or(Errno::ACCESS)?)
    }

    /// An empty directory of which only the number is known.
    fn empty_directory(&self, position: usize, inode: u64) -> Result<Found, Errno> {
        let part = self.part(position);
        let id = FileId::MountPoint { inode };
        let handle = part.files.signer.sign(&id).ok_or(Errno::OVERFLOW)?;
        let node = self.open_id(position, part, &id)?;
        let stat = node.stat()?;
        Ok(Found { handle, node, stat })
    }
}
