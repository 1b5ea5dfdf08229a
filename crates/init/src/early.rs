//! The first moments: the kernel's file systems, before anything can be said or asked.

use std::fs;
use std::io;

use sys_mount::{Mount, MountFlags};

/// What is mounted where, in this order. The flags and options are those that systemd uses, which takes these
/// mounts over.
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

/// Mounts them. What is mounted already, by the kernel (`CONFIG_DEVTMPFS_MOUNT`) or by an earlier run of this
/// program, stays. Returns what could not be mounted, for the console that is opened next.
pub(crate) fn mount_file_systems() -> Vec<(&'static str, io::Error)> {
    let mut failures = Vec::new();
    for (kind, path, flags, data) in FILE_SYSTEMS {
        // The image has the directories; an image made by others may not.
        let _ = fs::create_dir_all(path);
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

/// Whether another file system than `/`'s is at a path.
fn is_mounted(path: &str) -> bool {
    match (rustix::fs::stat("/"), rustix::fs::stat(path)) {
        (Ok(root), Ok(there)) => root.st_dev != there.st_dev,
        _ => false,
    }
}

/// A setting of the kernel that holds until the real root's init runs.
#[derive(Debug)]
pub(crate) struct SavedSysctl {
    file: &'static str,
    before: String,
}

impl SavedSysctl {
    /// Sets it and remembers what it was; `None` if the kernel does not have it. If it has the value already, this
    /// program was here before (it starts anew after a mistake of its own), and `usual` is what goes back.
    pub(crate) fn set(file: &'static str, value: &str, usual: &str) -> Option<Self> {
        let before = fs::read_to_string(file).ok()?;
        let before = before.trim_end();
        let before = if before == value { usual } else { before }.to_owned();
        fs::write(file, value).ok()?;
        Some(SavedSysctl { file, before })
    }

    /// Gives it back.
    pub(crate) fn restore(&self) {
        // Nothing can be done about a failure, and nothing depends on it.
        let _ = fs::write(self.file, &self.before);
    }
}
