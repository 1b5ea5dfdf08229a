//! What an export does with file systems that are mounted below its directory.

use std::path::Path;

/// Where a tree is, and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    /// Where it is in this process's mount namespace, if `path` leads to a copy of its mounts.
    pub(crate) original: Option<&'a Path>,
    pub(crate) submounts: Submounts,
}

/// What an export does with the file systems that are mounted below its directory (nfsd's `crossmnt`). btrfs subvolumes
/// that are no mounts of their own are always part of the export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Submounts {
    /// They are parts of one tree with one `fsid`, and files have numbers that are unique in it. A client has one mount.
    ///
    /// Needed below an overlay: Linux mounts a directory with another `fsid` on its own when it is entered, and
    /// overlayfs does not do that in a lower layer; the directory would be empty.
    #[default]
    OneFsid,
    /// They have an `fsid` of their own, as nfsd's have: clients mount each when it is entered.
    OwnFsid,
    /// What they cover is served instead.
    LeaveOut,
}
