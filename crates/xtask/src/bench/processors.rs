//! Which processors the servers and their clients have.
//!
//! Where both share all processors, a rate is to a large part the clients', and a server that needs half as much time is not twice
//! as fast. So the server under test has a processor, with all its threads and processes, and the clients have the others.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// How the processors that this program may use are divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Divided {
    /// The servers' one, which is the first.
    pub(super) servers: usize,
    /// One of the others.
    pub(super) client: usize,
    /// All the others.
    pub(super) clients: CpuSet,
}

/// Divides them. `None` where there is only one.
///
/// # Errors
/// The kernel's.
pub(super) fn divide() -> Result<Option<Divided>> {
    let usable = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity")?;
    let mut usable = (0..CpuSet::count()).filter(|it| usable.is_set(*it) == Ok(true));
    let servers = usable.next().context("no processor")?;
    let Some(client) = usable.next() else {
        return Ok(None);
    };
    let mut clients = CpuSet::new();
    for other in std::iter::once(client).chain(usable) {
        clients.set(other)?;
    }
    Ok(Some(Divided {
        servers,
        client,
        clients,
    }))
}
