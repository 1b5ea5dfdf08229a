//! Which processor does what. Where server and client share them, the client takes half of everything: a server that needs half
//! the time then has hardly more calls answered.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The processor of the server that is asked, with all its threads, and that of the client.
const SERVER: &str = "0";
const CLIENT: &str = "1";

/// How server and client share the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processors {
    /// Each has one of its own. The client stays awake: who wakes it pays for that, and that would be the server.
    Apart,
    /// As the scheduler likes it, with a client that has a thread for each connection, which sleeps.
    Shared,
}

impl Processors {
    /// # Errors
    /// When there are fewer than two.
    pub(super) fn new(pin: bool) -> Result<Self> {
        if !pin {
            return Ok(Self::Shared);
        }
        let count = std::thread::available_parallelism().context("count the processors")?;
        ensure!(
            count.get() > 1,
            "cannot give server and client a processor each: there is one; use --no-pin"
        );
        Ok(Self::Apart)
    }

    /// Moves a server's threads to its processor, and with them those that it starts from now on.
    ///
    /// # Errors
    /// When they cannot be moved.
    pub(super) fn give_server(self, pid: i32) -> Result<()> {
        if self == Self::Shared {
            return Ok(());
        }
        let pid = pid.to_string();
        let done = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", SERVER, &pid])
            .output()
            .context("run taskset")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "pin the server {pid}: {said}");
        Ok(())
    }

    /// What a client's command begins with.
    pub(super) fn client(self) -> &'static [&'static str] {
        match self {
            Self::Apart => &["taskset", "--cpu-list", CLIENT],
            Self::Shared => &[],
        }
    }

    /// The arguments of `examples/load`.
    pub(super) fn load(self) -> &'static [&'static str] {
        match self {
            Self::Apart => &["--awake"],
            Self::Shared => &[],
        }
    }
}
