//! Paths of the mounted root, resolved as they will be once it is `/`: an absolute link begins at that root, and
//! `..` does not leave it.
//!
//! openat2(2) does that with `RESOLVE_IN_ROOT`, from Linux 5.6 on. For the kernels before (4.15 and 5.4 of Ubuntu,
//! 4.18 of RHEL 8) the names are walked here, one by one.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Links within one path, at most (`MAXSYMLINKS`, `include/linux/namei.h`).
const LINKS: usize = 40;

/// The directory that a root is mounted on.
pub(crate) fn directory(path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens what is there; `flags` may not create anything.
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

/// The same name by name. Whoever changes the tree meanwhile may make it wrong, and nobody does before the switch.
fn walk(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let mut names = Names::default();
    names.put_before(path.as_bytes());
    // The directories from the root down to where the walk is.
    let mut way: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = names.0.pop() {
        if name == ".." {
            way.pop();
            continue;
        }
        let here = way.last().map_or(root, OwnedFd::as_fd);
        let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(here, &name, step, Mode::empty())?;
        match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
            FileType::Directory => way.push(found),
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP);
                }
                let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                if target.as_bytes().starts_with(b"/") {
                    way.clear();
                }
                names.put_before(target.as_bytes());
            }
            _ if !names.0.is_empty() => return Err(Errno::NOTDIR),
            _ => return rustix::fs::openat(here, &name, flags | OFlags::NOFOLLOW, Mode::empty()),
        }
    }
    let here = way.last().map_or(root, OwnedFd::as_fd);
    rustix::fs::openat(here, ".", flags, Mode::empty())
}

/// The names that are still to be walked, the next one last.
#[derive(Default)]
struct Names(Vec<OsString>);

impl Names {
    fn put_before(&mut self, path: &[u8]) {
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
    fn the_walk_ends_where_the_kernel_does() {
        let folder = std::env::temp_dir().join(format!("netroot-rooted-{}", std::process::id()));
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
