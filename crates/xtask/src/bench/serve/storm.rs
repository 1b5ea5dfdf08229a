//! 200 machines that load a kernel and an initrd at once, each from its own address.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::arena::{Arena, CLIENTS, INITRD, SERVER, SMALL};
use super::contestants::{self, Start};
use super::table::{self, Better, Row};
use crate::bench::spread::Spread;

const SERVERS: [(&str, Start); 2] = [
    ("netroot", contestants::netroot),
    ("nginx", contestants::nginx),
];
const MACHINES: u32 = 200;

const ROWS: [(&str, &str, Better); 4] = [
    ("the last machine has both", "s", Better::Less),
    (
        "fairness: the first one's time by the last one's",
        "of 1",
        Better::More,
    ),
    ("processor time", "s", Better::Less),
    ("memory at most, for each machine", "MiB", Better::Less),
];

pub(super) fn race(arena: &Arena, rounds: u32) -> Result<()> {
    arena.clients.shell(&format!(
        "for i in $(seq {MACHINES}); do ip addr add 10.91.251.$i/16 dev {CLIENTS}; done"
    ))?;
    let row = |(name, unit, _): &(&str, &str, Better)| Row {
        name: format!("{name} ({unit})"),
        cells: SERVERS
            .iter()
            .map(|(name, _)| (*name, Spread::default()))
            .collect(),
    };
    let mut rows: Vec<Row> = ROWS.iter().map(row).collect();
    for round in 1..=rounds {
        println!("{MACHINES} machines, round {round} of {rounds}");
        for (server, (_, start)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            let before = contestant.cost()?.processor;
            let times = load(arena)?;
            let cost = contestant.cost()?;
            let first = times.iter().copied().fold(f64::INFINITY, f64::min);
            let last = times.iter().copied().fold(0.0, f64::max);
            let mib = cost.mib / f64::from(MACHINES);
            let numbers = [last, first / last, cost.processor - before, mib];
            for (row, number) in rows.iter_mut().zip(numbers) {
                if let Some((_, cell)) = row.cells.get_mut(server) {
                    cell.add(number);
                }
            }
            contestant.stop()?;
        }
    }
    for (row, (.., better)) in rows.into_iter().zip(ROWS) {
        table::print(
            &format!("{MACHINES} machines at once"),
            &row.name.clone(),
            better,
            &[row],
        );
    }
    Ok(())
}

/// How long each machine took for both, in seconds.
fn load(arena: &Arena) -> Result<Vec<f64>> {
    let (kernel, initrd) = (SMALL.name, INITRD.name);
    let script = format!(
        "rm -rf /run/storm; mkdir /run/storm
for i in $(seq {MACHINES}); do
    curl -sSf --interface 10.91.251.$i -o /dev/null -o /dev/null -w '%{{time_total}}\\n' \
        http://{SERVER}:8069/{kernel} http://{SERVER}:8069/{initrd} > /run/storm/$i &
done
wait
for i in $(seq {MACHINES}); do tr '\\n' ' ' < /run/storm/$i; echo; done"
    );
    let said = arena
        .clients
        .run_for(&["sh", "-c", &script], Duration::from_secs(600))?;
    let times = said.stdout.lines().map(|line| -> Result<f64> {
        let both: Vec<f64> = line
            .split_whitespace()
            .filter_map(|it| it.parse().ok())
            .collect();
        ensure!(
            both.len() == 2,
            "a machine did not load both: {}",
            said.stderr
        );
        Ok(both.iter().sum())
    });
    let times: Vec<f64> = times.collect::<Result<_>>()?;
    ensure!(!times.is_empty(), "no machine loaded anything");
    Ok(times)
}
