//! The writable layer over a read-only root.

/// Whether a writable layer goes over the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// The root as the server exports it.
    Off,
    /// An overlay whose upper layer is a tmpfs: changes live until power-off.
    Tmpfs {
        /// tmpfs `size=` as written (`512m`, `50%`); `None` leaves the kernel's half of memory.
        size: Option<String>,
    },
}
