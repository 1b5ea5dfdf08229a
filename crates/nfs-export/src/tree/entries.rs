//! The numbers of the entries of a directory, as LOOKUP and GETATTR give them.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Stat};

use crate::tree::file_system::EntryNumbers;
use crate::tree::node::Node;
use crate::tree::part::Part;
use crate::tree::{HandleScheme, Tree};

/// The numbers of the entries of a directory.
pub(crate) struct Entries<'a> {
    tree: &'a Tree,
    part: &'a Part,
    numbers: EntryNumbers<'a>,
    directory: Stat,
    /// The number of the directory above it, if it is not the listed one.
    above: Option<u64>,
}

impl Entries<'_> {
    /// A hash of an entry's name, if the file system's own order of the entries does not last.
    pub(crate) fn order(&self) -> Option<impl Fn(&[u8]) -> u64> {
        let (files, directory) = (&self.part.files, self.directory.st_ino);
        (files.scheme == HandleScheme::Paths)
            .then_some(move |name: &[u8]| files.path_id(directory, name))
    }

    /// The number of an entry. `..` of the root is the root.
    pub(crate) fn of(&self, inode: u64, kind: FileType, name: &[u8]) -> u64 {
        if name == b".."
            && let Some(above) = self.above
        {
            return above;
        }
        match self.part.mounted_at(&self.directory, name) {
            Some(mounted) => self.tree.part(mounted).files.root_id(),
            None => self.numbers.of(inode, kind, name).id,
        }
    }
}

impl Tree {
    /// The numbers of the entries of a directory, which `stat` describes and `open` lists.
    pub(crate) fn entry_numbers<'a>(
        &'a self,
        directory: &Node,
        stat: &Stat,
        open: &'a OwnedFd,
    ) -> Entries<'a> {
        let part = self.part(directory.shown().part);
        let above = match directory {
            _ if stat.st_ino == part.files.root_id() => Some(part.above.unwrap_or(stat.st_ino)),
            Node::Open(open) => open.name().map(|name| name.parent),
            Node::MountPoint(..) => None,
        };
        Entries {
            tree: self,
            part,
            numbers: part.files.entry_numbers(open, stat.st_ino),
            directory: *stat,
            above,
        }
    }
}
