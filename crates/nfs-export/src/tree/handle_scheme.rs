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
}
