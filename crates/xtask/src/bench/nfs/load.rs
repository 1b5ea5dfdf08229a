//! The client (`crates/nfs-export/examples/load`): runs it, and reads what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Net, paths};

use super::processors::Processors;

/// The first address of the clients.
pub(super) const FIRST_CLIENT: &str = "10.92.1.1";
/// The ticks in which the kernel counts processor time (`USER_HZ`).
const TICKS: f64 = 100.0;
/// How long a run may take.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A server, as the client calls it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    /// The ports of MOUNT and of NFS.
    pub(super) mount: u16,
    pub(super) nfs: u16,
    pub(super) path: String,
    /// Of a server on this machine, for its processor time.
    pub(super) pid: Option<i32>,
    pub(super) processors: Processors,
}

/// What a run was.
#[derive(Clone, Debug)]
pub(super) struct Run {
    numbers: BTreeMap<String, f64>,
    /// Seconds of processor time of the server.
    pub(super) processor: Option<f64>,
}

impl Run {
    /// `calls`, `seconds`, `bytes`, `p50`, `p99` and `max` in microseconds, `first` and `last` in seconds, and `client` in
    /// seconds of processor time of the client.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let found = self.numbers.get(name).copied();
        found.with_context(|| format!("the client says nothing of {name}: {:?}", self.numbers))
    }
}

impl Target {
    /// Runs the client with these words.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn run(&self, clients: &Net, words: &[&str]) -> Result<Run> {
        let program = paths::target().join("release/examples/load");
        let program = program.display().to_string();
        let (mount, nfs) = (self.mount.to_string(), self.nfs.to_string());
        let prefix = self.processors.client();
        let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
        let program = [&prefix[..], &[&program], self.processors.load()].concat();
        let server = [self.address, &mount, &nfs, &self.path, FIRST_CLIENT];
        let before = self.processor()?;
        let done = clients.run_for(&[&program, &server[..], words].concat(), TIMEOUT)?;
        let after = self.processor()?;
        let (name, said) = (self.name, &done.stderr);
        ensure!(done.status.success(), "the client of {name}: {said}");
        let pairs = done.stdout.split_whitespace().filter_map(|word| {
            let (name, number) = word.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        Ok(Run {
            numbers: pairs.collect(),
            processor: after.zip(before).map(|(after, before)| after - before),
        })
    }

    /// Seconds of processor time so far.
    pub(super) fn processor(&self) -> Result<Option<f64>> {
        let Some(pid) = self.pid else {
            return Ok(None);
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // Behind the name, which may hold anything: proc(5), fields 14 and 15.
        let (_, fields) = stat.rsplit_once(')').context("a name in /proc/PID/stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(Some(ticks / TICKS))
    }
}
