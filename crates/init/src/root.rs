//! The root: found, mounted, and switched to.
//!
//! [`source`] says where a root comes from and speaks of it without naming a protocol; [`nfs`] is the one kind there is so
//! far. [`overlay`] puts a writable layer over whatever is mounted, and over what [`nested`] finds below it. [`ready`] is
//! what is looked at before the point of no return: the init ([`programs`], or what there is instead of it, [`contents`]),
//! the directories for [`kernel_mounts`], and [`fstab`] by way of [`etc`]; [`squash`] asks whether root is root there. [`in_root`] resolves
//! the root's paths, and [`switch`] makes it `/`.

pub(crate) mod contents;
pub(crate) mod etc;
pub(crate) mod fstab;
pub(crate) mod in_root;
pub(crate) mod kernel_mounts;
pub(crate) mod mount_point;
pub(crate) mod mtab;
pub(crate) mod nested;
pub(crate) mod nfs;
pub(crate) mod overlay;
pub(crate) mod programs;
pub(crate) mod ready;
pub(crate) mod source;
pub(crate) mod squash;
pub(crate) mod switch;
