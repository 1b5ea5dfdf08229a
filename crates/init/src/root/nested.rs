//! File systems of the server below the root that are not a part of it: knfsd's `crossmnt` and `nohide`, an export below
//! another in version 4.
//!
//! The kernel's client mounts them when a path first leads into them. An overlay does not: what it finds there is refused
//! with "Object is remote" (`ovl_dentry_weird`, `fs/overlayfs/util.c`). So they are looked for, and each gets an overlay
//! of its own ([`super::overlay`]).
//!
//! Looked at are the top of the root, the directories in which distributions and administrators mount something, and what
//! the path of the init leads through. A listing with attributes (READDIRPLUS) tells all mount points of a directory.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, StatxAttributes, StatxFlags};

use crate::channel::channel;
use crate::console::{debug, warn};
use crate::root::in_root;
use crate::threads;

/// The directories whose entries are looked at, besides those that are found to be another file system.
const LOOKED_AT: [&str; 9] = [
    "/", "/usr", "/var", "/var/lib", "/home", "/opt", "/srv", "/nix", "/gnu",
];
/// The most file systems that are looked for.
const MAX: usize = 64;

/// The stack of the thread that has them mounted, in bytes.
const STACK: usize = 256 << 10;
/// How long all of them may take to be mounted. One may be on another server (a referral), which need not answer; the kernel
/// then waits for minutes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The paths within the root mounted at `lower` that are file systems of their own, outer ones first. They are mounted
/// afterwards.
pub(crate) fn find(lower: &str, programs: &[String]) -> Vec<String> {
    let (sender, receiver) = channel();
    let (place, wanted) = (lower.to_owned(), programs.to_vec());
    let work = move || {
        mount_all(&place, &wanted);
        sender.send(());
    };
    let started = threads::start_named(c"nested", STACK, work);
    if started.is_err() || receiver.recv_timeout(TIMEOUT).is_err() {
        warn!(
            "file systems of the server below the root are not all mounted after {} s; below the overlay the others are empty",
            TIMEOUT.as_secs()
        );
    }
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounted_below(&table, lower)
}

/// Has the kernel mount them.
fn mount_all(lower: &str, programs: &[String]) {
    let Ok(root) = in_root::directory(lower) else {
        return;
    };
    let mut looked_at: Vec<String> = LOOKED_AT.map(str::to_owned).to_vec();
    let mut next = 0;
    while let Some(directory) = looked_at.get(next).cloned() {
        next += 1;
        for inner in mount_points_in(root.as_fd(), &directory) {
            if looked_at.len() < MAX && !looked_at.contains(&inner) {
                looked_at.push(inner);
            }
        }
    }
    // The kernel mounts whatever is on the way.
    for program in programs {
        if in_root::open(root.as_fd(), program, OFlags::PATH).is_ok() {
            break;
        }
    }
}

/// The mount points of other file systems of the server in a directory, mounted.
fn mount_points_in(root: BorrowedFd<'_>, directory: &str) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let Ok(listed) = in_root::open(root, directory, flags) else {
        return Vec::new();
    };
    let Ok(entries) = Dir::read_from(&listed) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let is_directory = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
        let name = entry.file_name();
        if !is_directory || matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        // What the listing told is enough.
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
        let status = rustix::fs::statx(&listed, name, flags, StatxFlags::TYPE);
        let is_mount_point =
            status.is_ok_and(|s| s.stx_attributes.contains(StatxAttributes::AUTOMOUNT));
        let Ok(name) = name.to_str() else {
            continue;
        };
        if !is_mount_point {
            continue;
        }
        let path = format!("{}/{name}", directory.trim_end_matches('/'));
        match in_root::open(root, &path, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(_) => found.push(path),
            Err(errno) => warn!(
                "below the overlay {path} is empty: it is another file system of the server, which does not let it be mounted: {}; export it as a part of the root, or boot without rd.overlay",
                std::io::Error::from(errno)
            ),
        }
    }
    if !found.is_empty() {
        debug!(
            "file systems in {directory} of the root: {}",
            found.join(", ")
        );
    }
    found
}

/// The mount points below `lower` in `/proc/self/mountinfo` (proc_pid_mountinfo(5)), as paths within it, outer ones first.
/// Pure.
fn mounted_below(table: &str, lower: &str) -> Vec<String> {
    let mut found: Vec<String> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4)?.strip_prefix(lower))
        .filter(|path| path.starts_with('/'))
        // An escaped name (a space) would have to be unescaped, and no option of an overlay can have some of them.
        .filter(|path| !path.contains(['\\', ',', ':']))
        .map(str::to_owned)
        .collect();
    found.sort_by_key(|path| path.matches('/').count());
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mounts_below_the_root_are_found_outer_ones_first() {
        let table = "\
22 1 0:2 / / rw - rootfs rootfs rw
30 22 0:25 / /run/netroot/lower ro,relatime - nfs4 10.0.0.1:/nest ro,vers=4.2
33 30 0:28 / /run/netroot/lower/usr/local ro,relatime - nfs4 10.0.0.1:/nest/usr/local ro
31 30 0:26 / /run/netroot/lower/usr ro,relatime - nfs4 10.0.0.1:/nest/usr ro
32 30 0:27 / /run/netroot/lower/srv/a\\040b ro - nfs4 10.0.0.1:/nest/srv ro
34 22 0:29 / /run/netroot/lowering rw - tmpfs tmpfs rw
";
        assert_eq!(
            mounted_below(table, "/run/netroot/lower"),
            ["/usr", "/usr/local"]
        );
        assert_eq!(mounted_below("", "/run/netroot/lower"), [""; 0]);
    }

    #[test]
    fn a_local_root_has_no_file_systems_of_a_server() {
        let folder = std::env::temp_dir().join(format!("netroot-nested-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("usr/local")).unwrap();
        let found = find(folder.to_str().unwrap(), &["/sbin/init".to_owned()]);
        assert_eq!(found, [""; 0]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
