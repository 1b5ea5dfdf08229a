//! Call by call: each kind on 1, 8 and 64 connections, with everything in memory; then what is not in memory yet, a client that
//! reads beside others that do not, and libnfs.

use std::time::Instant;

use anyhow::Result;

use super::arena::Arena;
use super::load::Target;
use super::processors::Processors;
use crate::bench::serve::table::{self, Better, Row};
use crate::bench::spread::Spread;

/// A kind of call, and what the client calls it.
const CALLS: [(&str, &str); 6] = [
    ("GETATTR", "getattr"),
    ("LOOKUP", "lookup"),
    ("READDIRPLUS", "readdirplus"),
    ("READ 4 KiB", "read:4096"),
    ("READ 128 KiB", "read:131072"),
    ("READ 1 MiB", "read:1048576"),
];
const CONNECTIONS: [u32; 3] = [1, 8, 64];

/// What is read for the first time: its name, what the client calls it, on how many connections, and how often in a round.
const COLD: [(&str, &str, u32, usize); 4] = [
    ("LOOKUP, 1,000 names", "lookup", 1, 1),
    ("READDIRPLUS, 1,000 names", "readdirplus", 1, 1),
    ("READ 128 KiB, a file of 128 MiB", "read:131072", 1, PASSES),
    (
        "READ 1 MiB, the same on 8 connections",
        "read:1048576",
        8,
        PASSES,
    ),
];

/// An even number, since the servers take turns at being the first one. Who is the first after a mount waits longer for the thread of the
/// kernel that reads the loop device's image: it has to share the client's processor until the scheduler moves it.
const PASSES: usize = 4;

/// How many clients do not read.
const STUCK: &str = "10";

/// Rows that are measured together.
#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    /// Adds a number of a server to the row of this name.
    fn add(&mut self, row: &str, server: &'static str, number: f64) {
        let at = match self.0.iter().position(|known| known.name == row) {
            Some(at) => at,
            None => {
                self.0.push(Row {
                    name: row.to_owned(),
                    cells: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let Some(row) = self.0.get_mut(at) else {
            return;
        };
        match row.cells.iter_mut().find(|(name, _)| *name == server) {
            Some((_, spread)) => spread.add(number),
            None => {
                let mut spread = Spread::default();
                spread.add(number);
                row.cells.push((server, spread));
            }
        }
    }
}

/// Measures netroot and Ganesha.
pub(super) fn beside_ganesha(arena: &Arena, rounds: u32, seconds: f64) -> Result<()> {
    let mut warm = Warm::default();
    let (mut cold, mut slow, mut libnfs) = (Rows::default(), Rows::default(), Rows::default());
    for round in 1..=rounds {
        println!("NFS beside Ganesha, round {round} of {rounds}");
        let mut servers = arena.serve_tree()?;
        let targets = servers.targets()?;
        for (name, what, connections, passes) in COLD {
            for pass in 0..passes {
                let mut both: Vec<_> = targets.iter().zip([&arena.ours, &arena.ganesha]).collect();
                if pass % 2 == 1 {
                    both.reverse();
                }
                for (target, net) in both {
                    // The file's pages are forgotten; the first LOOKUP and READDIRPLUS find nothing in memory anyway.
                    net.shell("dd if=/run/root/large iflag=nocache count=0 status=none")?;
                    let words = ["pass", what, &connections.to_string()];
                    let run = target.run(&arena.clients, &words)?;
                    cold.add(name, target.name, run.number("seconds")? * 1000.0);
                }
            }
        }
        warm.round(arena, &targets, seconds)?;
        for target in &targets {
            let run = target.run(&arena.clients, &["stuck", STUCK, &seconds.to_string()])?;
            slow.add("50 of 100 calls within", target.name, run.number("p50")?);
            slow.add("99 of 100 calls within", target.name, run.number("p99")?);
        }
        for target in &targets {
            let (address, path, mount) = (target.address, &target.path, target.mount);
            let ports = format!("version=3&nfsport=2049&mountport={mount}");
            let url = format!("nfs://{address}{path}/large?{ports}");
            let prefix = arena.processors.client().join(" ");
            let began = Instant::now();
            arena
                .clients
                .shell(&format!("{prefix} nfs-cat '{url}' > /dev/null"))?;
            let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
            libnfs.add("nfs-cat, 128 MiB", target.name, milliseconds);
        }
    }
    warm.print("on this machine");
    let title = "NFS, not in memory yet";
    table::print(title, "ms for all of it", Better::Less, &cold.0);
    let title = "NFS, GETATTR and READ 128 KiB by turns beside 10 clients that do not read";
    table::print(title, "us", Better::Less, &slow.0);
    table::print("NFS, by libnfs", "ms", Better::Less, &libnfs.0);
    Ok(())
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
    pub(super) fn round(&mut self, arena: &Arena, targets: &[Target], seconds: f64) -> Result<()> {
        for (call, what) in CALLS {
            for connections in CONNECTIONS {
                let row = format!("{call}, {connections}");
                for target in targets {
                    let words = ["cell", what, &connections.to_string(), &seconds.to_string()];
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
        }
        Ok(())
    }

    pub(super) fn print(&self, place: &str) {
        let title = format!("NFS {place}, by the number of connections");
        table::print(&title, "calls/s", Better::More, &self.calls.0);
        table::print(&title, "MiB/s", Better::More, &self.bytes.0);
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
