//! The root: found, mounted, and switched to.
//!
//! [`source`] says where a root comes from and speaks of it without naming a protocol; [`nfs`] is the one kind there is so
//! far. [`overlay`] puts a writable layer over whatever is mounted, [`programs`] is the init to run in it, [`in_root`]
//! resolves its paths, and [`switch`] makes it `/`.

pub(crate) mod in_root;
pub(crate) mod mount_point;
pub(crate) mod mtab;
pub(crate) mod nfs;
pub(crate) mod overlay;
pub(crate) mod programs;
pub(crate) mod source;
pub(crate) mod switch;
