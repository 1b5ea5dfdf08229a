//! The exported directory tree: from handles to files, and never to one outside.

pub(crate) mod access_list;
pub(crate) mod attributes;
mod content;
pub(crate) mod entries;
mod file_cache;
mod file_system;
mod find;
pub(crate) mod handle;
pub(crate) mod handle_key;
mod handle_scheme;
mod hidden;
mod kinds;
pub(crate) mod listing;
pub(crate) mod mounts;
pub(crate) mod name;
mod name_index;
pub(crate) mod node;
mod part;
mod places;
pub(crate) mod read_order;
pub(crate) mod root_dir;
pub(crate) mod sorted_entries;
pub(crate) mod status;
pub(crate) mod submounts;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nfs3_types::nfs3::fattr3;
use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use crate::hidden_paths::HiddenPaths;
use crate::open_file_limit;
use file_cache::FileCache;
use handle::{FileId, Handle, HandleError};
use handle_key::HandleKey;
pub use handle_scheme::HandleScheme;
use hidden::Hidden;
use mounts::MountBelow;
use node::{KnownName, Node, OpenFile, Shown, is_directory};
pub(crate) use part::TreeError;
use part::{Mounted, Part};
use root_dir::MountView;
use submounts::Place;

/// How many files a tree keeps open that only few clients use.
const FEW_FILES: usize = 256;

/// A directory and everything below it, as clients see it.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The file system that the directory is on, and those that are mounted below it. There is always the first.
    parts: Vec<Part>,
    below: Vec<MountBelow>,
    mounted: Mounted,
    cache: FileCache,
    hidden: Option<Hidden>,
}

impl Tree {
    /// Opens a directory. Handles depend on `name`, the key and the identity of the directory only.
    pub(crate) fn open(
        place: &Place<'_>,
        name: &str,
        key: &HandleKey,
        hidden: &HiddenPaths,
    ) -> Result<Self, TreeError> {
        let parts = part::open(place, name, key)?;
        let hidden =
            Hidden::find(hidden, &parts.all).map_err(|errno| TreeError::Hidden(errno.into()))?;
        Ok(Self {
            parts: parts.all,
            below: parts.below,
            mounted: parts.mounted,
            hidden,
            cache: FileCache::new(open_file_limit::files_to_keep_open()),
        })
    }

    #[allow(clippy::indexing_slicing, reason = "a tree has a main file system")]
    fn main(&self) -> &Part {
        &self.parts[0]
    }

    fn part(&self, position: usize) -> &Part {
        self.parts.get(position).unwrap_or_else(|| self.main())
    }

    /// The number in every handle of the main file system.
    pub(crate) fn export_id(&self) -> u32 {
        self.main().files.signer.export_id()
    }

    /// Whether this number is in the handles of any of its file systems.
    pub(crate) fn has_id(&self, id: u32) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.files.signer.export_id() == id)
    }

    /// What the handles are made of that are least reliable.
    pub(crate) fn handle_scheme(&self) -> HandleScheme {
        let mut schemes = self.parts.iter().map(|part| part.files.scheme);
        let other = schemes.find(|scheme| *scheme != HandleScheme::Kernel);
        other.unwrap_or(HandleScheme::Kernel)
    }

    pub(crate) fn mount_view(&self) -> MountView {
        self.main().files.root.view()
    }

    pub(crate) fn below(&self) -> &[MountBelow] {
        &self.below
    }

    pub(crate) fn mounts_have_changed(&self) -> bool {
        self.mounted.has_changed()
    }

    /// Whether the directory has been deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        rustix::fs::fstat(self.main().files.root.directory()).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Closes the files that are open, and keeps fewer open from now on.
    pub(crate) fn keep_few_files_open(&self) {
        self.cache.shrink(FEW_FILES);
    }

    /// The root of the file system that a file is on.
    pub(crate) fn root_of(&self, node: &Node) -> BorrowedFd<'_> {
        self.part(node.shown().part).files.root.directory()
    }

    pub(crate) fn attributes(&self, stat: &Stat) -> fattr3 {
        attributes::from_stat(stat)
    }

    /// The verifier of directory cookies (RFC 1813 §3.3.16). A file system with handles keeps its cookies valid when
    /// the directory changes, as nfsd relies on too, and cookies that are made of names stay valid; elsewhere a changed
    /// directory is listed again.
    pub(crate) fn cookie_verifier(&self, node: &Node, directory: &Stat) -> [u8; 8] {
        match self.part(node.shown().part).files.scheme {
            HandleScheme::Kernel | HandleScheme::Paths => self.main().fsid.to_be_bytes(),
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
            match &*known {
                Node::Open(open) if open.is_due_for_check() => {
                    if self
                        .is_still_there(open, &known)
                        .map_err(Unresolved::Failed)?
                    {
                        return Ok(known);
                    }
                    self.cache.remove(handle);
                }
                _ => return Ok(known),
            }
        }
        let (position, part) = handle
            .claimed_export()
            .and_then(|id| {
                let mut parts = self.parts.iter().enumerate();
                parts.find(|(_, part)| part.files.signer.export_id() == id)
            })
            .ok_or(Unresolved::Foreign(HandleError::Signature))?;
        let id = part
            .files
            .signer
            .verify(handle)
            .map_err(Unresolved::Foreign)?;
        let node = self
            .open_id(position, part, &id)
            .map_err(|errno| match errno {
                Errno::STALE | Errno::NOENT | Errno::INVAL => Unresolved::Stale,
                other => Unresolved::Failed(other),
            })?;
        Ok(self.cache.insert(*handle, Arc::new(node)))
    }

    /// Whether a file that is open is in the root and shown still.
    fn is_still_there(&self, open: &OpenFile, node: &Node) -> Result<bool, Errno> {
        let part = self.part(node.shown().part);
        let there = match open.name() {
            Some(known) => {
                let at = (known.parent, &*known.name);
                part.places.is_there(&part.files, at, &known.stat)
            }
            None => part.files.root.contains(open.reference()) == Ok(true),
        };
        Ok(there && !self.is_hidden(node.shown().part, open.reference(), &node.stat()?))
    }

    fn open_id(&self, position: usize, part: &Part, id: &FileId) -> Result<Node, Errno> {
        let files = &part.files;
        let shown = |number| Shown {
            part: position,
            fsid: part.fsid,
            number,
        };
        let mut name = None;
        let (file, number) = match id {
            FileId::MountPoint { inode } => {
                return Ok(Node::mount_point(shown(Some(*inode)), files.root.stat()));
            }
            FileId::Kernel(handle) => match files.open_by_handle(handle, OFlags::PATH) {
                // Landlock: see `name_index`.
                Err(Errno::STALE) if files.is_layered() => {
                    let number = files.handle_id(handle);
                    (part.names.find(files, number, handle)?, None)
                }
                opened => (opened?, None),
            },
            FileId::Place(id) => {
                let found = part.places.open(files, id)?;
                name = Some((found.parent, found.name));
                (found.file, Some(id.file))
            }
        };
        let stat = rustix::fs::fstat(&file)?;
        // Only directories have a parent to follow; a file keeps its handle when it is moved out of the root within the
        // file system, as with nfsd.
        if is_directory(&stat) && !files.root.contains(file.as_fd())? {
            return Err(Errno::STALE);
        }
        let shown = shown(match id {
            FileId::Kernel(handle) => Some(files.id_by_handle(handle, &stat)),
            _ => number,
        });
        if self.is_hidden(position, file.as_fd(), &shown.apply(stat)) {
            return Err(Errno::STALE);
        }
        let known = name.filter(|(_, name)| files.by_paths() && !name.is_empty());
        let known = known.map(|(parent, name)| KnownName { parent, name, stat });
        Ok(Node::Open(OpenFile::new(file, &stat, shown, known)))
    }

    /// Whether a file that was opened by its handle is not to be shown.
    fn is_hidden(&self, position: usize, file: BorrowedFd<'_>, stat: &Stat) -> bool {
        let Some(hidden) = &self.hidden else {
            return false;
        };
        if hidden.refresh(&self.parts) {
            // A file that is open may be hidden now.
            self.cache.clear();
        }
        hidden.hides((position, self.part(position)), file, stat)
    }

    /// Whether an entry of a directory is not to be shown.
    pub(crate) fn hides_entry(&self, directory: &Node, name: &[u8]) -> bool {
        match (&self.hidden, directory) {
            (Some(hidden), Node::Open(open)) => {
                let part = self.part(directory.shown().part);
                hidden.hides_entry(part, open.reference(), name)
            }
            _ => false,
        }
    }

    /// Where a file is below the root, as far as the kernel knows it; nowhere if it has been deleted.
    pub(crate) fn path_of(&self, node: &Node) -> Option<Vec<u8>> {
        match node {
            Node::Open(open) => {
                let path = hidden::path_below(self.part(open.shown().part), open.reference())?;
                // What the kernel says of the path of a deleted file (`d_path`).
                (!path.ends_with(b" (deleted)")).then_some(path)
            }
            Node::MountPoint(..) => None,
        }
    }

    /// Drops the file of this handle from the cache.
    pub(crate) fn forget(&self, handle: &Handle) {
        self.cache.remove(handle);
    }
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
