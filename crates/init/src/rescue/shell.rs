//! Runs the mounted root's own shell, chrooted into that root.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::mount::{UnmountFlags, mount_bind_recursive, unmount};

use crate::root::mount_point::ROOT;

/// The argument that makes this program the shell's launcher.
pub(crate) const NAME: &str = "--shell-of-the-root";
/// File systems that are bind-mounted into the root for the shell.
const BOUND: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
const SHELL: &str = "/bin/sh";

/// Why no shell could be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShellError {
    /// The root is not mounted yet.
    #[error(
        "cannot open a shell: the root is not mounted; set break=bottom and retry, to stop once it is"
    )]
    NotMounted,
    /// The launcher could not be started.
    #[error("cannot run the root's {SHELL}: {0}")]
    Run(#[from] io::Error),
    /// The root has no shell that can be run.
    #[error("cannot run the root's {SHELL}: it is missing or not executable")]
    Missing,
}

/// Runs the shell until it exits.
pub(super) fn open() -> Result<(), ShellError> {
    let device = |path| rustix::fs::stat(path).map(|stat| stat.st_dev).ok();
    if device(ROOT).is_none() || device(ROOT) == device("/") {
        return Err(ShellError::NotMounted);
    }
    let bound: Vec<String> = BOUND
        .iter()
        .map(|path| (path, format!("{ROOT}{path}")))
        .filter(|(path, place)| mount_bind_recursive(**path, place.as_str()).is_ok())
        .map(|(_, place)| place)
        .collect();
    // chroot(2) needs a process of its own; the root does not contain this program.
    let status = Command::new("/proc/self/exe").arg(NAME).status();
    for place in bound {
        let _ = unmount(place.as_str(), UnmountFlags::DETACH);
    }
    match status?.code() {
        Some(127) => Err(ShellError::Missing),
        _ => Ok(()),
    }
}

/// The launcher: enters the root and executes its shell.
pub(crate) fn run() -> ExitCode {
    let changed = rustix::process::chroot(ROOT).and_then(|()| rustix::process::chdir("/"));
    if let Err(e) = changed {
        eprintln!("netroot: cannot enter {ROOT}: {e}");
        return ExitCode::FAILURE;
    }
    // Job control and ^C need a controlling terminal: process 1 has none, but a new session can acquire one.
    let _ = rustix::process::setsid();
    let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
    let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("PS1", "root# ")];
    let error = Command::new(SHELL).envs(environment).exec();
    eprintln!("netroot: {SHELL}: {error}");
    ExitCode::from(127)
}
