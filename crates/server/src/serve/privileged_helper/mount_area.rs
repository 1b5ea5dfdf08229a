//! A place for mounts from which a confined process may read.
//!
//! Landlock's rules belong to inodes: a directory that takes the place of a served root (`mv`, a new mount) is not
//! allowed, and a process cannot allow itself more. But Landlock decides about a file by walking up from it, across mounts.
//! So the server is allowed a folder of a file system of its own before there is anything in it, and a copy of the new
//! root's mount is attached below that.
//!
//! The folder is in a mount namespace that has nothing else and in which nobody is: no other process sees these mounts,
//! it holds none of the host's, and it ends with the last descriptor of it. Paths are looked up in the namespace of the
//! host, where roots are mounted.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

/// How many mounts of all roots are kept.
const ALL_KEPT: usize = 1024;
/// How many mounts of each root are kept. More than one: transfers and mounts of the one before go on.
const KEPT: usize = 8;
/// Where the area is mounted before it is the only thing in its namespace: a directory that is always there.
const FIRST_PLACE: &str = "/proc";

/// The place, and how to get there and back.
#[derive(Debug)]
pub(super) struct MountArea {
    /// Its root folder.
    folder: OwnedFd,
    /// Its namespace.
    inside: OwnedFd,
    /// The namespace of the host.
    outside: Outside,
    /// Whose each attached mount is, and its name, the oldest first.
    attached: VecDeque<(PathBuf, String)>,
    next: u64,
}

impl MountArea {
    /// Makes the place. Afterwards this process is where it was before.
    ///
    /// # Errors
    /// `PERM` without `CAP_SYS_ADMIN`.
    pub(super) fn new() -> Result<Self, Errno> {
        let outside = Outside {
            namespace: namespace()?,
            root: open_directory("/")?,
            working: open_directory(".")?,
        };
        unshare(CloneFlags::CLONE_NEWNS).map_err(errno)?;
        let made = Self::make();
        outside.enter()?;
        let (folder, inside) = made?;
        Ok(Self {
            folder,
            inside,
            outside,
            attached: VecDeque::new(),
            next: 0,
        })
    }

    /// In a namespace of its own: its only folder, and the namespace.
    fn make() -> Result<(OwnedFd, OwnedFd), Errno> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private)?;
        let inside = namespace()?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let options = c"mode=700,size=64k";
        rustix::mount::mount("netroot", FIRST_PLACE, "tmpfs", flags, options)?;
        rustix::process::chdir(FIRST_PLACE)?;
        rustix::process::pivot_root(".", ".")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH)?;
        Ok((open_directory("/")?, inside))
    }

    /// The folder in which everything is attached.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Attaches a copy of the mount that `directory` is in, from there down, with the mounts below it that are part of the
    /// root if `submounts`. Returns its root (`O_PATH`). The oldest of more than [`KEPT`] of the same directory goes.
    pub(super) fn attach(&mut self, directory: &Path, submounts: bool) -> Result<OwnedFd, Errno> {
        let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        flags.set(OpenTreeFlags::AT_RECURSIVE, submounts);
        let left_out = match submounts {
            true => netroot_nfs_export::left_out_below(directory).unwrap_or_default(),
            false => Vec::new(),
        };
        let tree = rustix::mount::open_tree(CWD, directory, flags)?;
        let name = self.next.to_string();
        self.next += 1;
        rustix::fs::mkdirat(&self.folder, &name, Mode::from_raw_mode(0o700))?;
        self.enter()?;
        let to = self.folder.as_fd();
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        // What is unmounted here stays mounted there, where mounts are shared.
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let path = Path::new("/").join(&name);
        let moved = rustix::mount::move_mount(&tree, "", to, &name, flags)
            .and_then(|()| rustix::mount::mount_change(&path, private));
        if moved.is_ok() {
            for below in left_out {
                // The kernel's file systems are left in the copy at worst: an export shows them empty.
                let _ = rustix::mount::unmount(
                    path.join(below),
                    UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
                );
            }
            self.attached.push_back((directory.to_owned(), name));
            if let Some(oldest) = self.surplus(directory) {
                // Files of it that are open stay open.
                let path = Path::new("/").join(&oldest);
                let _ = rustix::mount::unmount(&path, UnmountFlags::DETACH);
                let _ = rustix::fs::rmdir(&path);
            }
        }
        self.outside.enter()?;
        moved.map(|()| tree)
    }

    /// Forgets the oldest of a directory's if there are too many, or the oldest of all.
    fn surplus(&mut self, directory: &Path) -> Option<String> {
        let is_own = |(of, _): &&(PathBuf, String)| of == directory;
        let oldest = if self.attached.iter().filter(is_own).count() > KEPT {
            self.attached.iter().position(|(of, _)| of == directory)?
        } else if self.attached.len() > ALL_KEPT {
            0
        } else {
            return None;
        };
        self.attached.remove(oldest).map(|(_, name)| name)
    }

    fn enter(&self) -> Result<(), Errno> {
        setns(&self.inside, CloneFlags::CLONE_NEWNS).map_err(errno)
    }
}

/// Where this process is when it is not in the area: roots may be configured by relative paths.
#[derive(Debug)]
struct Outside {
    namespace: OwnedFd,
    root: OwnedFd,
    working: OwnedFd,
}

impl Outside {
    /// A namespace is entered at its own root directory: back to what this process had.
    fn enter(&self) -> Result<(), Errno> {
        setns(&self.namespace, CloneFlags::CLONE_NEWNS).map_err(errno)?;
        rustix::process::fchdir(&self.root)?;
        rustix::process::chroot(".")?;
        rustix::process::fchdir(&self.working)
    }
}

fn namespace() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open("/proc/thread-self/ns/mnt", flags, Mode::empty())
}

fn open_directory(path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

fn errno(errno: nix::Error) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::confinement;

    fn read(root: &OwnedFd, name: &str) -> Result<Vec<u8>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(root, name, flags, Mode::empty())?;
        Ok(fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default())
    }

    #[test]
    fn a_confined_thread_reads_what_was_attached_after_it_was_confined() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let fill = |text: &str| {
            fs::create_dir(&root).unwrap();
            fs::write(root.join("file"), text).unwrap();
        };
        fill("first");
        // Namespaces, working directories and Landlock's rules are a thread's own.
        let (send, attached) = std::sync::mpsc::channel::<OwnedFd>();
        let (looked, has_looked) = std::sync::mpsc::channel::<()>();
        let old = folder.path().join("old");
        std::thread::scope(|scope| {
            let (root, old, fill) = (&root, &old, &fill);
            scope.spawn(move || {
                let mut here = MountArea::new().unwrap();
                send.send(here.folder().try_clone_to_owned().unwrap())
                    .unwrap();
                has_looked.recv().unwrap();
                send.send(here.attach(root, true).unwrap()).unwrap();
                fs::rename(root, old).unwrap();
                fill("second");
                let second = here.attach(root, true).unwrap();
                // However often another root is replaced.
                let other = root.with_file_name("other");
                fs::create_dir(&other).unwrap();
                for _ in 0..KEPT + 1 {
                    here.attach(&other, true).unwrap();
                }
                send.send(second).unwrap();
                has_looked.recv().unwrap();
                assert_eq!(here.attached.len(), 2 + KEPT);
                let names = Path::new("/proc/self/fd").join(here.folder.as_raw_fd().to_string());
                assert_eq!(fs::read_dir(names).unwrap().count(), 2 + KEPT);
            });
            scope.spawn(move || {
                let area = attached.recv().unwrap();
                let allowed = PathBuf::from(format!("/proc/self/fd/{}", area.as_raw_fd()));
                let confined = confinement::restrict_files(&[allowed, "/proc".into()], &[]);
                looked.send(()).unwrap();
                let (first, second) = (attached.recv().unwrap(), attached.recv().unwrap());
                assert_eq!(read(&first, "file").unwrap(), b"first");
                assert_eq!(read(&second, "file").unwrap(), b"second");
                if confined.unwrap() {
                    fs::read(old.join("file")).unwrap_err();
                }
                looked.send(()).unwrap();
            });
        });
    }
}
