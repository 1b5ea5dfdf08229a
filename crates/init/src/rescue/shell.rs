//! A shell of the mounted root, in that root.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::mount::{UnmountFlags, mount_bind_recursive, unmount};

use crate::mount::ROOT;

/// The argument that makes this program the shell's launcher.
pub(crate) const NAME: &str = "--shell-of-the-root";
/// What a shell wants to see of the kernel.
const BOUND: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
const SHELL: &str = "/bin/sh";

/// Why there is no shell.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShellError {
    /// There is no root yet.
    #[error(
        "there is no shell: the root is not mounted (retry, with break=bottom set, stops once it is)"
    )]
    NotMounted,
    /// It does not start.
    #[error("the root's {SHELL} cannot be run: {0}")]
    Run(#[from] io::Error),
    /// Its launcher said so.
    #[error("the root has no {SHELL} that can be run")]
    Missing,
}

/// Runs the shell until it ends.
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
    // Changing the root takes a process of its own; this program is in the image alone.
    let status = Command::new("/proc/self/exe").arg(NAME).status();
    for place in bound {
        let _ = unmount(place.as_str(), UnmountFlags::DETACH);
    }
    match status?.code() {
        Some(127) => Err(ShellError::Missing),
        _ => Ok(()),
    }
}

/// The launcher's life: it becomes the shell.
pub(crate) fn run() -> ExitCode {
    let changed = rustix::process::chroot(ROOT).and_then(|()| rustix::process::chdir("/"));
    if let Err(e) = changed {
        eprintln!("netroot: cannot enter {ROOT}: {e}");
        return ExitCode::FAILURE;
    }
    // For job control and ^C: process 1 has no controlling terminal, and a session of its own may have one.
    let _ = rustix::process::setsid();
    let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
    let environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("PS1", "root# ")];
    let error = Command::new(SHELL).envs(environment).exec();
    eprintln!("netroot: {SHELL}: {error}");
    ExitCode::from(127)
}
