//! Gives the servers a processor, and this program with the clients the others (`bench/processors.rs`).
//!
//! A veth device handles what arrives on the sender's processor: a server's has its clients' half of TCP or UDP to do for what it
//! sends, and theirs has its half for what they send. `rps_cpus` would give each end its own, by an interrupt from one processor to
//! the other for every few packets, which in a virtual machine takes longer than all the rest (measured: 0.7 s/GiB by HTTP).

use anyhow::{Context, Result, ensure};
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use crate::bench::processors::divide;

/// How the processors are divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processors {
    /// The servers' one. The others are this program's, and those of everything that it starts elsewhere.
    pub(super) servers: usize,
}

impl Processors {
    /// The first one that this program may use for the servers, the others for the rest. `None` where there is only one.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn divide() -> Result<Option<Self>> {
        let Some(divided) = divide()? else {
            return Ok(None);
        };
        ensure!(
            !is_fifo()?,
            "cannot let the clients share a processor: with SCHED_FIFO (chrt -f) the first of them that always has something to do \
             keeps the others, and this program, from running at all; use `chrt -r 10` or `nice -n -20`, or --no-pin"
        );
        sched_setaffinity(Pid::from_raw(0), &divided.clients).context("sched_setaffinity")?;
        Ok(Some(Self {
            servers: divided.servers,
        }))
    }
}

/// Whether this program is scheduled by `SCHED_FIFO`, as is then what it starts.
fn is_fifo() -> Result<bool> {
    const FIFO: &str = "1";
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: proc_pid_stat(5), field 41.
    let (_, fields) = stat.rsplit_once(')').context("a name in /proc/self/stat")?;
    Ok(fields.split_whitespace().nth(41 - 3) == Some(FIFO))
}
