//! What this process gives up before it handles what strangers send or wrote: a break-in then finds an unprivileged
//! user, one capability, a few folders and the system calls of a file server.
//!
//! ```text
//! identity     which unprivileged user
//! folders      the state and cache folders become that user's
//! privileges   the user, its groups, the capabilities
//! landlock     which files and which network
//! seccomp      which system calls
//! limits       how much memory, time and output (a child that builds an initrd); no core dumps
//! ```
//!
//! Everything here belongs to threads and is inherited by those that are started later, so [`confine`] is called while
//! there is only one.

pub(crate) mod folders;
pub(crate) mod identity;
mod landlock;
pub(crate) mod limits;
mod privileges;
pub(crate) mod seccomp;

use std::fs;
use std::path::PathBuf;

use ::landlock::RulesetError;
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use self::landlock::Tcp;
use identity::Identity;
use seccomp::Work;

/// What a process keeps.
#[derive(Debug)]
pub(crate) struct Confinement {
    /// The user that it becomes; `None` to stay who it is.
    pub(crate) identity: Option<Identity>,
    /// The capabilities that it keeps, if it has them.
    pub(crate) capabilities: CapabilitySet,
    /// The folders and files that it reads.
    pub(crate) read: Vec<PathBuf>,
    /// The folders that it writes to, and reads.
    pub(crate) write: Vec<PathBuf>,
    /// What it does, which decides the system calls.
    pub(crate) work: Work,
}

/// What this kernel does not offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Landlock (Linux 5.13; `lsm=` may leave it out).
    Landlock,
    /// Filters of system calls.
    Seccomp,
}

/// Why a process cannot be confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfinementError {
    /// The user, the groups or the capabilities.
    #[error("cannot become an unprivileged user without capabilities")]
    Privileges(#[source] Errno),
    /// The rules.
    #[error("cannot restrict which files are opened (Landlock)")]
    Landlock(#[from] RulesetError),
    /// What is given up belongs to threads, and another one has been started already.
    #[error("cannot give up privileges: {threads} threads are running already; this is a bug")]
    Threads {
        /// How many.
        threads: usize,
    },
}

/// Limits a helper process, which stays who it is, to the capabilities `keep`.
///
/// # Errors
/// The kernel's.
pub(crate) fn limit_helper(keep: CapabilitySet) -> Result<(), Errno> {
    privileges::limit(keep)
}

/// Gives up everything but `kept`, for good. Returns the layers that the kernel lacks, which is no reason not to serve.
///
/// # Errors
/// What the kernel has and refuses.
pub(crate) fn confine(kept: &Confinement) -> Result<Vec<Layer>, ConfinementError> {
    if let Ok(threads) = fs::read_dir("/proc/self/task").map(Iterator::count)
        && threads > 1
    {
        return Err(ConfinementError::Threads { threads });
    }
    privileges::give_up(kept.identity, kept.capabilities).map_err(ConfinementError::Privileges)?;
    let mut lacking = Vec::new();
    let tcp = match kept.work {
        Work::OpeningSockets => Tcp::Listen,
        Work::AskingHook { port } => Tcp::Connect(port),
        Work::Serving | Work::BuildingInitrd | Work::Signing => Tcp::Neither,
    };
    if !landlock::restrict(&kept.read, &kept.write, tcp)? {
        lacking.push(Layer::Landlock);
    }
    if seccomp::restrict(kept.work).is_err() {
        lacking.push(Layer::Seccomp);
    }
    Ok(lacking)
}

/// For tests: Landlock alone.
#[cfg(test)]
pub(crate) fn restrict_files(read: &[PathBuf], write: &[PathBuf]) -> Result<bool, RulesetError> {
    landlock::restrict(read, write, Tcp::Neither)
}
