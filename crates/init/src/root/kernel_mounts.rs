//! `/dev`, `/sys`, `/run` and `/proc` are mounts that move along to the real root, which needs a directory for each.
//!
//! A root that was packed without them (`tar --exclude=/proc`) lacks the directories too, and its init cannot go on:
//! systemd freezes. So they are made where something can be made, and otherwise the boot fails while it can still be
//! tried again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_move, unmount};

use crate::console::{info, warn};
use crate::root::in_root;
use crate::root::mount_point::ROOT;

/// The mounts, in the order in which they move: the path of an open file is below /proc.
const MOVED: [&str; 4] = ["/dev", "/sys", "/run", "/proc"];
/// The programs of systemd, which cannot do without any of them. Nothing does without /dev, but BusyBox and others do
/// without the rest.
const SYSTEMD: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/// Directories that the root lacks.
#[derive(Debug, thiserror::Error)]
#[error("it has no {} to mount on, and {}", paths.join(", "), if *occupied {
    "what has that name there is no directory".to_owned()
} else {
    format!("none can be made: {source}")
})]
pub(crate) struct NoDirectories {
    paths: Vec<&'static str>,
    /// A file, or a link to nothing, is in the place of one.
    occupied: bool,
    source: io::Error,
}

impl NoDirectories {
    /// Whether the root's init cannot go on. What has always done without a directory still does.
    fn stops(&self, systemd: bool) -> bool {
        systemd || self.paths.contains(&"/dev")
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        let names: Vec<&str> = self
            .paths
            .iter()
            .map(|path| path.trim_start_matches('/'))
            .collect();
        let names = names.join(" ");
        let first = if self.occupied {
            "remove it and make"
        } else {
            "make"
        };
        let them = if self.paths.len() == 1 { "it" } else { "them" };
        format!("{first} {them} in the exported directory (mkdir {names}), or boot with rd.overlay")
    }
}

/// Makes the missing directories. Below a writable layer (`layered`), a file that is in the place of one is replaced:
/// only that layer changes.
pub(crate) fn make_directories(layered: bool) -> Result<(), NoDirectories> {
    let Ok(root) = in_root::directory(ROOT) else {
        return Ok(());
    };
    let root = root.as_fd();
    let (mut made, mut failed, mut occupied) = (Vec::new(), Vec::new(), false);
    let mut source = Errno::NOENT;
    for path in MOVED
        .iter()
        .copied()
        .filter(|path| !is_directory(root, path))
    {
        match make(root, path, layered) {
            Ok(()) => made.push(path),
            Err(errno) => {
                occupied |= errno == Errno::EXIST;
                source = errno;
                failed.push(path);
            }
        }
    }
    if !made.is_empty() {
        let place = if layered {
            "in the writable layer"
        } else {
            "on the server"
        };
        info!("made {} {place}: the root lacks them", made.join(", "));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let missing = NoDirectories {
        paths: failed,
        occupied,
        source: source.into(),
    };
    if missing.stops(SYSTEMD.iter().any(|path| is_there(root, path))) {
        return Err(missing);
    }
    warn!("the root: {missing}; {}", missing.advice());
    Ok(())
}

fn is_directory(root: BorrowedFd<'_>, path: &str) -> bool {
    in_root::open(root, path, OFlags::PATH | OFlags::DIRECTORY).is_ok()
}

fn is_there(root: BorrowedFd<'_>, path: &str) -> bool {
    in_root::open(root, path, OFlags::PATH).is_ok()
}

fn make(root: BorrowedFd<'_>, path: &str, layered: bool) -> rustix::io::Result<()> {
    let name = path.trim_start_matches('/');
    let mode = Mode::from_raw_mode(0o755);
    match rustix::fs::mkdirat(root, name, mode) {
        Err(Errno::EXIST) if layered => {
            rustix::fs::unlinkat(root, name, AtFlags::empty())?;
            rustix::fs::mkdirat(root, name, mode)
        }
        result => result,
    }
}

/// Moves the mounts into the new root. A link to a directory is followed within that root. Where there is no directory,
/// the mount is detached.
pub(crate) fn move_along() {
    let Ok(root) = in_root::directory(ROOT) else {
        return;
    };
    for path in MOVED {
        let target = in_root::open(root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY);
        let moved = target.and_then(|target| {
            mount_move(
                path,
                format!("/proc/self/fd/{}", target.as_raw_fd()).as_str(),
            )
        });
        if let Err(errno) = moved {
            warn!(
                "{path} cannot be moved into the root: {}",
                io::Error::from(errno)
            );
            let _ = unmount(path, UnmountFlags::DETACH);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn directories_are_made_and_what_is_in_their_place_is_replaced_only_in_a_layer() {
        let folder = std::env::temp_dir().join(format!("netroot-moved-{}", std::process::id()));
        fs::create_dir_all(folder.join("var/run")).unwrap();
        symlink("/var/run", folder.join("run")).unwrap();
        symlink("/nowhere", folder.join("sys")).unwrap();
        fs::write(folder.join("proc"), "").unwrap();
        let root = fs::File::open(&folder).unwrap();
        let root = root.as_fd();
        assert!(is_directory(root, "/run"), "a link within the root");
        for path in ["/dev", "/sys", "/proc"] {
            assert!(!is_directory(root, path), "{path}");
        }
        assert_eq!(make(root, "/sys", false), Err(Errno::EXIST));
        assert_eq!(make(root, "/proc", false), Err(Errno::EXIST));
        for path in ["/dev", "/sys", "/proc"] {
            assert_eq!(make(root, path, true), Ok(()), "{path}");
            assert!(is_directory(root, path), "{path}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_sentence_has_the_command_that_cures_it() {
        let mut missing = NoDirectories {
            paths: vec!["/dev", "/proc"],
            occupied: false,
            source: Errno::ROFS.into(),
        };
        assert_eq!(
            format!("{missing}; {}", missing.advice()),
            "it has no /dev, /proc to mount on, and none can be made: Read-only file system (os error 30); \
             make them in the exported directory (mkdir dev proc), or boot with rd.overlay"
        );
        assert!(missing.stops(false));
        missing.occupied = true;
        assert!(
            missing
                .to_string()
                .ends_with("what has that name there is no directory")
        );
        assert!(missing.advice().starts_with("remove it and make them"));
        missing.paths = vec!["/sys"];
        missing.occupied = false;
        assert!(missing.advice().starts_with("make it in the exported"));
        assert!(missing.stops(true) && !missing.stops(false), "BusyBox");
    }
}
