//! HTTP: 64 MiB again and again, over one connection, and over 64 of four clients.
//!
//! With 64 connections on two processors the clients' one is used up before the server's: the rate is then that of the four `wrk`, and
//! what tells servers apart is their processor time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::Finished;

use super::arena::{Arena, LARGE, ROOMS, SERVER};
use super::contestants::{self, Start};
use super::table::{self, Better, Row};

const SERVERS: [(&str, Start); 2] = [
    ("netroot", contestants::netroot),
    ("nginx", contestants::nginx),
];
const CONNECTIONS: [u32; 2] = [1, 64];
/// What nginx does.
const GOAL: f64 = 1.0;
/// How long each is measured at a time, in seconds, and how often in a round: a machine's speed changes within seconds,
/// so that many short samples by turns compare better than a few long ones.
const SECONDS: u32 = 2;
const SAMPLES: u32 = 3;

pub(super) fn race(arena: &Arena, rounds: u32) -> Result<()> {
    let empty = |connections| {
        let name = format!("{connections} connections");
        Row::of(name, SERVERS.map(|(name, _)| name))
    };
    let (mut rates, mut costs) = (CONNECTIONS.map(empty), CONNECTIONS.map(empty));
    for sample in 0..rounds * SAMPLES {
        if sample % SAMPLES == 0 {
            println!("HTTP, round {} of {rounds}", sample / SAMPLES + 1);
        }
        for (server, (_, start)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            let rows = rates.iter_mut().zip(&mut costs);
            for (connections, (rate, cost)) in CONNECTIONS.into_iter().zip(rows) {
                let before = contestant.cost()?.processor;
                let bytes = load(arena, connections)?;
                let processor = contestant.cost()?.processor - before;
                let gib = bytes / f64::from(1 << 30);
                rate.add(server, gib / f64::from(SECONDS));
                cost.add(server, processor / gib);
            }
            contestant.stop()?;
        }
    }
    table::print_beside("HTTP, 64 MiB", "GiB/s", Better::More, GOAL, &rates);
    table::print_beside(
        "HTTP, processor time",
        "s per GiB",
        Better::Less,
        GOAL,
        &costs,
    );
    Ok(())
}

/// With wrk. How many bytes arrived, of all clients together.
fn load(arena: &Arena, connections: u32) -> Result<f64> {
    let (clients, each): (&[_], _) = match connections {
        1 => (std::slice::from_ref(&arena.clients), 1),
        many => (&arena.rooms, many / ROOMS),
    };
    let (each, seconds) = (each.to_string(), SECONDS.to_string());
    let url = format!("http://{SERVER}:8069/{}", LARGE.name);
    let wrk = [
        "wrk",
        "-t1",
        "-c",
        &each,
        "-d",
        &seconds,
        "--timeout",
        "30",
        &url,
    ];
    let running: Vec<_> = clients
        .iter()
        .map(|client| client.spawn(&wrk))
        .collect::<Result<_>>()?;
    let mut bytes = 0.0;
    for mut wrk in running {
        bytes += arrived(&wrk.wait(Duration::from_secs(120))?)?;
    }
    Ok(bytes)
}

/// How many bytes wrk says that arrived.
fn arrived(said: &Finished) -> Result<f64> {
    ensure!(said.status.success(), "wrk: {}{}", said.stdout, said.stderr);
    // "  123 requests in 5.01s, 7.69GB read", in powers of 1024.
    let read = said.stdout.lines().find_map(|line| {
        let (_, read) = line.split_once(", ")?;
        bytes(read.strip_suffix(" read")?)
    });
    read.with_context(|| format!("no number of bytes in what wrk says: {}", said.stdout))
}

fn bytes(text: &str) -> Option<f64> {
    let units = [("GB", 30), ("MB", 20), ("KB", 10), ("B", 0)];
    units.iter().find_map(|(unit, shift)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * f64::from(1_u32 << shift))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrks_units_are_powers_of_1024() {
        assert_eq!(bytes("1.50GB"), Some(1.5 * 1024.0 * 1024.0 * 1024.0));
        assert_eq!(bytes("12.00KB"), Some(12.0 * 1024.0));
        assert_eq!(bytes("7B"), Some(7.0));
        assert_eq!(bytes("x"), None);
    }
}
