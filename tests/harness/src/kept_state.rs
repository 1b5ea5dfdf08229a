//! What is to be as it was: the output of a command, before and after.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::net::Net;

/// How often it is looked whether all is as it was.
const AGAIN: Duration = Duration::from_millis(50);

/// What a command printed, and has to print again.
#[derive(Debug)]
pub struct KeptState<'a> {
    net: &'a Net,
    command: &'a str,
    before: String,
}

impl<'a> KeptState<'a> {
    /// Runs the shell's lines `command`, whose output describes the state.
    ///
    /// # Errors
    /// The command's.
    pub fn of(net: &'a Net, command: &'a str) -> Result<Self> {
        let before = net.shell(command)?;
        Ok(Self {
            net,
            command,
            before,
        })
    }

    /// All is as it was.
    ///
    /// # Errors
    /// Both states, where it is not.
    pub fn ensure(&self) -> Result<()> {
        let now = self.net.shell(self.command)?;
        let before = &self.before;
        ensure!(now == *before, "not as before:\n{now}\nbefore:\n{before}");
        Ok(())
    }

    /// Waits until all is as it was.
    ///
    /// # Errors
    /// Both states, where it is not so within `patience`.
    pub fn wait(&self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            match self.ensure() {
                Err(_) if Instant::now() < end => std::thread::sleep(AGAIN),
                done => return done,
            }
        }
    }
}
