//! What file handles are made of.

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
