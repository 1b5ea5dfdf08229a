//! The root: found, mounted, and switched to.
//!
//! [`nfs`] is the one source of roots so far; [`overlay`] puts a writable layer over what any source mounts, and
//! [`switch`] makes it `/`.

pub(crate) mod in_root;
pub(crate) mod mount_point;
pub(crate) mod nfs;
pub(crate) mod overlay;
pub(crate) mod switch;
