//! The first thing at boot: mounting the kernel's file systems, before the console and the command line can be read.

use std::fs;
use std::io;

use sys_mount::{Mount, MountFlags};

use crate::directory;

/// What is mounted where, in this order. The flags and options are those of systemd, which takes these mounts over.
const FILE_SYSTEMS: [(&str, &str, MountFlags, &str); 4] = [
    ("proc", "/proc", QUIET, ""),
    ("sysfs", "/sys", QUIET, ""),
    // Without nodev and noexec: device nodes, and programs that map /dev/zero executable.
    ("devtmpfs", "/dev", MountFlags::NOSUID, "mode=755"),
    (
        "tmpfs",
        "/run",
        MountFlags::NOSUID.union(MountFlags::NODEV),
        "mode=755",
    ),
];
const QUIET: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// Mounts them. What the kernel (`CONFIG_DEVTMPFS_MOUNT`) or an earlier run of this program has already mounted is
/// left alone. Returns what could not be mounted, to be logged once the console is open.
pub(crate) fn mount_file_systems() -> Vec<(&'static str, io::Error)> {
    let mut failures = Vec::new();
    for (kind, path, flags, data) in FILE_SYSTEMS {
        // Our initrd has the directories; one made by another tool may not.
        let _ = directory::make(path);
        if is_mounted(path) {
            continue;
        }
        let mounted = Mount::builder()
            .fstype(kind)
            .flags(flags)
            .data(data)
            .mount(kind, path);
        match mounted {
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {}
            Err(e) => failures.push((path, e)),
        }
    }
    failures
}

/// Whether a path is on another file system than `/`.
fn is_mounted(path: &str) -> bool {
    match (rustix::fs::stat("/"), rustix::fs::stat(path)) {
        (Ok(root), Ok(there)) => root.st_dev != there.st_dev,
        _ => false,
    }
}

/// A sysctl that was changed until the root's init runs, and its previous value.
#[derive(Debug)]
pub(crate) struct SavedSysctl {
    file: &'static str,
    before: String,
}

impl SavedSysctl {
    /// Sets it and saves its previous value; `None` if the kernel does not have it. If it has the new value already,
    /// this program set it before it restarted after a panic, and `usual` is what will be restored.
    pub(crate) fn set(file: &'static str, value: &str, usual: &str) -> Option<Self> {
        let before = fs::read_to_string(file).ok()?;
        let before = before.trim_end();
        let before = if before == value { usual } else { before }.to_owned();
        fs::write(file, value).ok()?;
        Some(SavedSysctl { file, before })
    }

    /// Restores the previous value.
    pub(crate) fn restore(&self) {
        // A failure cannot be helped, and nothing depends on it.
        let _ = fs::write(self.file, &self.before);
    }
}
