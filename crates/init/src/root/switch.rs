//! Makes the mounted root the root, and runs its init.
//!
//! The initrd is deleted on the way, since it would be unreachable afterwards and its memory lost. It is deleted through
//! an open directory, name by name, and never across a mount: a mistake here would delete the server's export. With every
//! network card's driver in it that takes as long as DHCP, so a [process of its own](run_cleaner) does it while the
//! root's init starts.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::background;
use crate::console::debug;
use crate::root::kernel_mounts;
use crate::root::mount_point::ROOT;

/// `RAMFS_MAGIC`, `TMPFS_MAGIC` (`include/uapi/linux/magic.h`): the file systems of an initramfs.
const IN_MEMORY: [i64; 2] = [0x8584_58f6, 0x0102_1994];
/// The deepest directory that is deleted: no initrd is that deep.
const MAX_DEPTH: usize = 64;

/// The name under which this program deletes the initrd. systemd spares processes with an `@` (see the renewer's).
pub(crate) const CLEANER: &str = "@netroot-clean";

/// Why the root could not be switched to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwitchError {
    /// It was run by hand.
    #[error("this is process {0} and not 1")]
    NotPidOne(i32),
    /// A system call failed.
    #[error("{action}: {source}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The new root is the old one.
    #[error("nothing is mounted at {ROOT}")]
    NotMounted,
    /// None of the programs could be run.
    #[error("the kernel cannot run {program}: {source}")]
    Run {
        /// The last program tried.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SwitchError {
    /// What to do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NotPidOne(_) => "let the kernel start it, as /init of an initramfs",
            Self::Call { .. } | Self::NotMounted => "report this, with the lines above",
            Self::Run { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => {
                    "the program or the loader that it names is missing in the root"
                }
                io::ErrorKind::PermissionDenied => "check the program's permissions, and noexec",
                _ => "check that the root was made for this machine's processor",
            },
        }
    }
}

fn call(action: &'static str) -> impl Fn(Errno) -> SwitchError {
    move |errno| SwitchError::Call {
        action,
        source: errno.into(),
    }
}

/// Switches to the mounted root and runs `program` with the kernel's arguments. Returns only on failure. `copy` is a copy
/// of this program that outlives the initrd.
pub(crate) fn switch_root(program: &str, arguments: &[OsString], copy: &str) -> SwitchError {
    let old = match change_root() {
        Ok(old) => old,
        Err(e) => return e,
    };
    if let Err(e) = start_cleaner(copy, &old) {
        debug!("the initrd is deleted before the root's init starts: {e}");
        delete_old_root(&old);
    }
    reopen_console();
    let source = Command::new(program).args(arguments).exec();
    SwitchError::Run {
        program: program.to_owned(),
        source,
    }
}

/// Returns the old root.
fn change_root() -> Result<OwnedFd, SwitchError> {
    let pid = rustix::process::getpid();
    if !pid.is_init() {
        return Err(SwitchError::NotPidOne(pid.as_raw_nonzero().get()));
    }
    let old = open_directory(rustix::fs::CWD, "/").map_err(call("open /"))?;
    let old_device = rustix::fs::fstat(&old).map_err(call("stat /"))?.st_dev;
    let new_device = rustix::fs::stat(ROOT)
        .map_err(call("stat the new root"))?
        .st_dev;
    if old_device == new_device {
        return Err(SwitchError::NotMounted);
    }
    kernel_mounts::move_along();
    rustix::process::chdir(ROOT).map_err(call("enter the new root"))?;
    rustix::mount::mount_move(".", "/").map_err(call("move the new root to /"))?;
    rustix::process::chroot(".").map_err(call("change the root"))?;
    rustix::process::chdir("/").map_err(call("enter /"))?;
    Ok(old)
}

/// Starts the process that deletes the old root, which it has as its standard input.
fn start_cleaner(copy: &str, old: &OwnedFd) -> io::Result<()> {
    let mut command = Command::new(copy);
    command
        .arg0(CLEANER)
        .env_clear()
        .stdin(Stdio::from(old.try_clone()?))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    background::spawn(&mut command).map(drop)
}

/// Runs the process that deletes the old root: only for process 1, and only what is in memory.
pub(crate) fn run_cleaner() -> ExitCode {
    if !rustix::process::getppid().is_some_and(|parent| parent.is_init()) {
        return ExitCode::FAILURE;
    }
    delete_old_root(rustix::stdio::stdin());
    ExitCode::SUCCESS
}

/// Deletes everything in the old root, if that is in memory.
fn delete_old_root(old: impl AsFd) {
    let (Ok(kind), Ok(status)) = (rustix::fs::fstatfs(&old), rustix::fs::fstat(&old)) else {
        return;
    };
    if IN_MEMORY.contains(&kind.f_type) {
        delete_within(old.as_fd(), status.st_dev, MAX_DEPTH);
    }
}

/// Deletes everything in a directory of the old root that is in the old root's own file system.
fn delete_within(directory: BorrowedFd<'_>, device: u64, depth: usize) {
    // A second open file: `Dir` reads from the start, and the first one is kept for unlinkat.
    let Ok(listing) = Dir::read_from(directory) else {
        return;
    };
    // All names first: deleting while a directory is read may skip others.
    let names: Vec<_> = listing
        .flatten()
        .map(|entry| entry.file_name().to_owned())
        .collect();
    for name in names {
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(status) = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        if status.st_dev != device {
            continue;
        }
        if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
            let Ok(inner) = open_directory(directory, &name) else {
                continue;
            };
            // Checked again on the open directory: it may have been mounted over meanwhile.
            if depth == 0 || rustix::fs::fstat(&inner).map_or(true, |s| s.st_dev != device) {
                continue;
            }
            delete_within(inner.as_fd(), device, depth - 1);
            let _ = rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR);
        } else {
            let _ = rustix::fs::unlinkat(directory, &name, AtFlags::empty());
        }
    }
}

fn open_directory(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

/// The init's standard files, on the root's own `/dev/console`.
fn reopen_console() {
    let console: io::Result<File> = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/console");
    match console {
        Ok(console) => {
            let _ = rustix::stdio::dup2_stdin(&console);
            let _ = rustix::stdio::dup2_stdout(&console);
            let _ = rustix::stdio::dup2_stderr(&console);
        }
        Err(e) => debug!("/dev/console cannot be opened: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn temporary(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("netroot-switch-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn the_old_root_is_deleted_but_not_the_targets_of_its_links() {
        let (old, export) = (temporary("old"), temporary("export"));
        fs::write(export.join("precious"), "1").unwrap();
        fs::create_dir_all(old.join("lib/modules/6.1")).unwrap();
        fs::write(old.join("lib/modules/6.1/nfs.ko"), "2").unwrap();
        std::os::unix::fs::symlink(&export, old.join("link")).unwrap();
        let directory = open_directory(rustix::fs::CWD, &old).unwrap();
        let device = rustix::fs::fstat(&directory).unwrap().st_dev;
        delete_within(directory.as_fd(), device, MAX_DEPTH);
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
        assert!(export.join("precious").exists());
        fs::remove_dir_all(old).unwrap();
        fs::remove_dir_all(export).unwrap();
    }

    #[test]
    fn nothing_in_another_file_system_is_deleted() {
        let old = temporary("device");
        fs::write(old.join("file"), "1").unwrap();
        let directory = open_directory(rustix::fs::CWD, &old).unwrap();
        let device = rustix::fs::fstat(&directory).unwrap().st_dev;
        delete_within(directory.as_fd(), device + 1, MAX_DEPTH);
        assert!(old.join("file").exists());
        fs::remove_dir_all(old).unwrap();
    }

    #[test]
    fn a_process_that_is_not_the_first_changes_nothing() {
        assert!(matches!(change_root(), Err(SwitchError::NotPidOne(_))));
    }
}
