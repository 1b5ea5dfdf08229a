//! Gives the server that is asked a processor, and its client another (`bench/processors.rs`).

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::processors::{Divided, divide};

/// How often a server whose threads come and go is tried to be moved.
const PIN_ATTEMPTS: u32 = 20;

/// How server and client share the processors.
#[derive(Clone, Copy, Debug)]
pub(super) enum Processors {
    /// Each has one of its own. The client stays awake: who wakes it pays for that, and that would be the server.
    Apart(Divided),
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
        let divided = divide()?.context(
            "cannot give server and client a processor each: there is one; use --no-pin",
        )?;
        Ok(Self::Apart(divided))
    }

    /// Moves a server's threads to its processor, and with them those that it starts from now on.
    ///
    /// # Errors
    /// When they cannot be moved.
    pub(super) fn give_server(self, pid: i32) -> Result<()> {
        let Self::Apart(divided) = self else {
            return Ok(());
        };
        let (server, pid) = (divided.servers.to_string(), pid.to_string());
        for attempt in 1.. {
            let done = Command::new("taskset")
                .args(["--all-tasks", "--cpu-list", "--pid", &server, &pid])
                .output()
                .context("run taskset")?;
            if done.status.success() {
                break;
            }
            // It stops at a thread that ended since it made its list.
            let said = String::from_utf8_lossy(&done.stderr);
            let has_ended = said.contains("No such process");
            ensure!(
                has_ended && attempt < PIN_ATTEMPTS,
                "pin the server {pid}: {said}"
            );
        }
        Ok(())
    }

    /// What a client's command begins with.
    pub(super) fn client(self) -> Vec<String> {
        match self {
            Self::Apart(divided) => vec![
                "taskset".to_owned(),
                "--cpu-list".to_owned(),
                divided.client.to_string(),
            ],
            Self::Shared => Vec::new(),
        }
    }

    /// The arguments of `examples/load`.
    pub(super) fn load(self) -> &'static [&'static str] {
        match self {
            Self::Apart(_) => &["--awake"],
            Self::Shared => &[],
        }
    }
}
