//! What file handles are made of.

/// What file handles are made of, which decides what they survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleScheme {
    /// Kernel file handles: they survive restarts, reboots, and files being moved within the root. Needs
    /// `CAP_DAC_READ_SEARCH` and a file system that supports them.
    Kernel,
    /// Inode numbers and birth times. They survive restarts, but the first unknown handle after a restart takes a walk
    /// of the whole root; a file system that assigns new inode numbers at each mount makes them stale.
    Inodes,
    /// Paths, and for files with several names inode numbers, where neither handles nor inode numbers last: overlayfs
    /// without `nfs_export=on`, FUSE, vfat, 9p. They survive what [`Inodes`](Self::Inodes) do, and the kernel forgetting
    /// inodes; a file that is moved has another handle, and one that takes the place of another has that one's.
    Paths,
}
