//! Call by call: each kind on some connections, with everything in memory.

use anyhow::Result;

use super::arena::Arena;
use super::load::Target;
use super::options::Options;
use super::processors::Processors;
use super::rows::Rows;
use crate::bench::serve::table::{self, Better};

/// A kind of call, what the client calls it, and on how many connections it is made. The last two were once slower than Ganesha's.
const CALLS: [(&str, &str, &[u32]); 8] = [
    ("GETATTR", "getattr", &CONNECTIONS),
    ("LOOKUP", "lookup", &CONNECTIONS),
    ("READDIRPLUS", "readdirplus", &CONNECTIONS),
    ("READ 4 KiB", "read:4096", &CONNECTIONS),
    ("READ 128 KiB", "read:131072", &CONNECTIONS),
    ("READ 1 MiB", "read:1048576", &CONNECTIONS),
    ("READ 256 KiB", "read:262144", &[4]),
    ("READ 512 KiB", "read:524288", &[1]),
];
const CONNECTIONS: [u32; 3] = [1, 8, 64];

/// The rows that are wanted: name, what the client calls it, on how many connections.
pub(super) fn rows(options: &Options) -> Vec<(String, &'static str, u32)> {
    let mut rows = Vec::new();
    for (call, what, connections) in CALLS {
        let named = connections
            .iter()
            .map(|on| (format!("{call}, {on}"), what, *on));
        rows.extend(named.filter(|(name, ..)| options.wants(name)));
    }
    rows
}

/// The rows of [`CALLS`].
#[derive(Default)]
pub(super) struct Warm {
    calls: Rows,
    bytes: Rows,
    costs: Rows,
    /// Of the client, if it sleeps: what a server that takes no time would still be slowed down by.
    clients: Rows,
}

impl Warm {
    /// Measures each row once.
    pub(super) fn round(
        &mut self,
        arena: &Arena,
        targets: &[Target],
        options: &Options,
    ) -> Result<()> {
        for (row, what, connections) in rows(options) {
            for target in targets {
                let words = [
                    "cell",
                    what,
                    &connections.to_string(),
                    &options.seconds.to_string(),
                ];
                let run = target.run(&arena.clients, &words)?;
                let (calls, took) = (run.number("calls")?, run.number("seconds")?);
                if what.starts_with("read:") {
                    let mib = run.number("bytes")? / f64::from(1 << 20);
                    self.bytes.add(&row, target.name, mib / took);
                } else {
                    self.calls.add(&row, target.name, calls / took);
                }
                if matches!(target.processors, Processors::Shared) {
                    let client = run.number("client")? * 1e6 / calls;
                    self.clients.add(&row, target.name, client);
                }
                if let Some(processor) = run.processor {
                    let each = processor * 1e6 / calls;
                    self.costs.add(&row, target.name, each);
                }
            }
        }
        Ok(())
    }

    /// `goal`: the ratio that is to be reached.
    pub(super) fn print(&self, place: &str, goal: f64) {
        let title = format!("NFS {place}, by the number of connections");
        table::print_beside(&title, "calls/s", Better::More, goal, &self.calls.0);
        table::print_beside(&title, "MiB/s", Better::More, goal, &self.bytes.0);
        if !self.costs.0.is_empty() {
            let title = format!("NFS {place}, processor time");
            table::print(&title, "us for a call", Better::Less, &self.costs.0);
        }
        if !self.clients.0.is_empty() {
            let title =
                format!("NFS {place}, processor time of the client, which shares the processors");
            table::print(&title, "us for a call", Better::Less, &self.clients.0);
        }
    }
}
