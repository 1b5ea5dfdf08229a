//! 200 machines that load a kernel and an initrd at once, each from its own address.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Result;

use super::arena::{Arena, CLIENTS, INITRD, SERVER, SMALL};
use super::contestants::{self, Start};
use super::storm_client;
use super::table::{self, Better, Row};

const SERVERS: [(&str, Start); 2] = [
    ("netroot", contestants::netroot),
    ("nginx", contestants::nginx),
];
const MACHINES: u32 = 200;
/// The address of the first one.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 91, 251, 1);

const ROWS: [(&str, &str, Better); 5] = [
    ("the last machine has both", "s", Better::Less),
    (
        "fairness: the first one's time by the last one's",
        "of 1",
        Better::More,
    ),
    ("processor time for each machine", "ms", Better::Less),
    ("memory for each machine", "KiB", Better::Less),
    ("memory at most", "MiB", Better::Less),
];

pub(super) fn race(arena: &Arena, rounds: u32) -> Result<()> {
    arena.clients.shell(&format!(
        "for i in $(seq {MACHINES}); do ip addr add 10.91.251.$i/16 dev {CLIENTS}; done"
    ))?;
    let row = |(name, unit, _)| Row::of(format!("{name} ({unit})"), SERVERS.map(|(name, _)| name));
    let mut rows = ROWS.map(row);
    for round in 1..=rounds {
        println!("{MACHINES} machines, round {round} of {rounds}");
        for (server, (_, start)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            let before = contestant.cost()?;
            let times = load(arena)?;
            let cost = contestant.cost()?;
            let first = times.iter().copied().fold(f64::INFINITY, f64::min);
            let last = times.iter().copied().fold(0.0, f64::max);
            let each = |cost: f64| cost / f64::from(MACHINES);
            let numbers = [
                last,
                first / last,
                each((cost.processor - before.processor) * 1000.0),
                each((cost.mib - before.resident) * 1024.0),
                cost.mib,
            ];
            for (row, number) in rows.iter_mut().zip(numbers) {
                row.add(server, number);
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
    let server = SocketAddrV4::new(SERVER.parse()?, 8069);
    let files = [SMALL, INITRD].map(|file| (file.name, file.mib << 20));
    let took = arena
        .clients
        .within(|| storm_client::load(server, FIRST, MACHINES, &files))?;
    Ok(took.iter().map(Duration::as_secs_f64).collect())
}
