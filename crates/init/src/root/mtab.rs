//! `/etc/mtab`, which Guix System's own initrd makes before it starts the system; nothing else does there.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::console::debug;
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// Links it to the kernel's list of mounts, unless the mounted root has one or is read-only.
pub(crate) fn make() {
    if let Err(errno) = try_to_make() {
        debug!("no /etc/mtab: {errno}");
    }
}

fn try_to_make() -> rustix::io::Result<()> {
    let root = in_root::directory(ROOT)?;
    match rustix::fs::mkdirat(&root, "etc", Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let etc = in_root::open(root.as_fd(), "etc", OFlags::PATH | OFlags::DIRECTORY)?;
    rustix::fs::symlinkat("/proc/self/mounts", etc, "mtab")
}
