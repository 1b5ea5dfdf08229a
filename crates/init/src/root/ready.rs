//! Whether the mounted root can be switched to: everything that can stop its init is looked at here, while the boot can
//! still be tried again.
//!
//! What certainly stops it is a failure. What may is a warning with its cure. What a writable layer allows to mend is
//! mended, and told.

use std::os::fd::AsFd;

use netroot_proto::cmdline::{BootPlan, InitProgram, Overlay};
use rustix::fs::{OFlags, StatVfsMountFlags};

use crate::console::warn;
use crate::root::fstab;
use crate::root::in_root;
use crate::root::kernel_mounts::{self, NoDirectories};
use crate::root::mount_point::ROOT;
use crate::root::mtab;
use crate::root::programs::{self, ProgramError};
use crate::root::source::Mounted;

/// Why the root cannot be switched to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// Its init.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What `/dev` and others would be mounted on.
    #[error("cannot switch to the root {root}: {source}; {}", source.advice())]
    Directories {
        /// The root, as messages name it.
        root: String,
        /// What is missing.
        source: NoDirectories,
    },
    /// Nothing in it can be executed.
    #[error(
        "cannot switch to the root {root}: it is mounted noexec, so that nothing in it can be run; take noexec out of its mount options (nfsroot=, rootflags=, DHCP option 17)"
    )]
    NoExec {
        /// The root, as messages name it.
        root: String,
    },
}

/// Makes the mounted root ready for the switch. Returns the program to run.
pub(crate) fn make_ready(plan: &BootPlan, root: &Mounted) -> Result<String, Unfit> {
    let layered = plan.overlay.value != Overlay::Off;
    let flags = rustix::fs::statvfs(ROOT).map_or(StatVfsMountFlags::empty(), |s| s.f_flag);
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Unfit::NoExec {
            root: root.name.clone(),
        });
    }
    let program = programs::choose(plan, &root.name, root.init.as_deref())?;
    if flags.contains(StatVfsMountFlags::NOSUID) {
        warn!("the root is mounted nosuid: sudo, su and the like do not work in it");
    }
    kernel_mounts::make_directories(layered).map_err(|source| Unfit::Directories {
        root: root.name.clone(),
        source,
    })?;
    fstab::mask(plan);
    if matches!(plan.program.value, InitProgram::GuixSystem { .. }) {
        mtab::make();
    }
    if !layered {
        warn_of_root_directory();
        warn_of_machine_id(&program, flags);
    }
    Ok(program)
}

/// A directory made by mktemp, or with a strict umask, is the machine's `/` with those permissions. (That of an overlay
/// has its own.)
fn warn_of_root_directory() {
    let mode = rustix::fs::stat(ROOT).map_or(0o755, |status| status.st_mode);
    if mode & 0o005 != 0o005 {
        warn!(
            "the root directory has the permissions {:o}: no user but root can run or open anything; chmod 755 the exported directory",
            mode & 0o7777
        );
    }
}

/// systemd makes up an identity for each boot if `/etc/machine-id` is empty; without the file it needs to write one.
fn warn_of_machine_id(program: &str, flags: StatVfsMountFlags) {
    let Ok(root) = in_root::directory(ROOT) else {
        return;
    };
    let is_there = |path| in_root::open(root.as_fd(), path, OFlags::PATH).is_ok();
    let is_systemd = program.ends_with("/init") || program.ends_with("/systemd");
    if flags.contains(StatVfsMountFlags::RDONLY)
        && is_systemd
        && is_there("/etc/systemd/system")
        && !is_there("/etc/machine-id")
    {
        warn!(
            "the root is read-only and has no /etc/machine-id, without which systemd does not start all services: make an empty one in the exported directory, or boot with rd.overlay"
        );
    }
}
