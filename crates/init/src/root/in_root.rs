//! Opens paths of the mounted root as they will resolve once it is `/`: absolute symlinks start at that root, and `..`
//! does not leave it.
//!
//! openat2(2) does that with `RESOLVE_IN_ROOT`, since Linux 5.6. For older kernels (4.15 and 5.4 of Ubuntu, 4.18 of
//! RHEL 8) the path is resolved here, component by component.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The most symlinks within one path (`MAXSYMLINKS`, `include/linux/namei.h`).
const MAX_SYMLINKS: usize = 40;

/// Opens the directory that a root is mounted on.
pub(crate) fn directory(path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens a path of the root; `flags` must not create anything.
///
/// # Errors
/// Those of openat2(2).
pub(crate) fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => walk(root, path, flags),
        result => result,
    }
}

/// The same, component by component. A concurrent change of the tree could defeat it, but nothing changes the root
/// before the switch.
fn walk(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut components = Components::default();
    components.push_path(path.as_bytes());
    // The directories from the root down to the current one.
    let mut parents: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = components.0.pop() {
        if name == ".." {
            parents.pop();
            continue;
        }
        let here = parents.last().map_or(root, OwnedFd::as_fd);
        let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(here, &name, step, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
            FileType::Directory => parents.push(found),
            FileType::Symlink => {
                links += 1;
                if links > MAX_SYMLINKS {
                    return Err(Errno::LOOP);
                }
                let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                if target.as_bytes().starts_with(b"/") {
                    parents.clear();
                }
                components.push_path(target.as_bytes());
            }
            _ if !components.0.is_empty() => return Err(Errno::NOTDIR),
            _ => return rustix::fs::openat(here, &name, flags | OFlags::NOFOLLOW, Mode::empty()),
        }
    }
    let here = parents.last().map_or(root, OwnedFd::as_fd);
    rustix::fs::openat(here, ".", flags, Mode::empty())
}

/// The components that are still to be resolved, the next one last.
#[derive(Default)]
struct Components(Vec<OsString>);

impl Components {
    fn push_path(&mut self, path: &[u8]) {
        let names = path.rsplit(|byte| *byte == b'/');
        self.0.extend(
            names
                .filter(|name| !matches!(*name, b"" | b"."))
                .map(|name| OsStr::from_bytes(name).to_owned()),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_walk_resolves_paths_as_the_kernel_does() {
        let folder = std::env::temp_dir().join(format!("netroot-in-root-{}", std::process::id()));
        fs::create_dir_all(folder.join("usr/bin")).unwrap();
        fs::create_dir_all(folder.join("etc")).unwrap();
        for file in ["usr/bin/env", "etc/passwd", "usr/passwd"] {
            fs::write(folder.join(file), file).unwrap();
        }
        for (link, target) in [
            ("bin", "usr/bin"),
            ("absolute", "/usr/bin/env"),
            ("above", "../../../etc/passwd"),
            ("usr/bin/up", "../passwd"),
            ("usr/bin/chain", "/bin/up"),
            ("top", "/"),
            ("self", "self"),
            ("nowhere", "/usr/nothing"),
            ("etc/folder", "../usr/./"),
        ] {
            symlink(target, folder.join(link)).unwrap();
        }
        let root = fs::File::open(&folder).unwrap();
        let inode = |found: rustix::io::Result<OwnedFd>| {
            found.map(|file| rustix::fs::fstat(&file).unwrap().st_ino)
        };
        for path in [
            "/bin/env",
            "bin/env",
            "absolute",
            "above",
            "bin/up",
            "bin/chain",
            "top",
            "top/etc/passwd",
            "self",
            "nowhere",
            "etc/folder",
            "etc/folder/bin/../passwd",
            "..",
            "../../etc/passwd",
            "/",
            ".",
            "etc/passwd/x",
            "absent",
            "absent/../etc/passwd",
            "//usr///bin//env",
            "etc/../../usr/passwd",
        ] {
            for flags in [
                OFlags::PATH,
                OFlags::RDONLY,
                OFlags::RDONLY | OFlags::DIRECTORY,
            ] {
                let flags = flags | OFlags::CLOEXEC;
                let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
                let kernel = rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve);
                assert_eq!(
                    inode(walk(root.as_fd(), path, flags)),
                    inode(kernel),
                    "{path} {flags:?}"
                );
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
