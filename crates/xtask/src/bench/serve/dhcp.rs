//! DHCP: whole exchanges (DISCOVER to ACK) at rising rates, from tens of thousands of machines.
//!
//! For a quiet machine: perfdhcp counts an answer as lost after a second, a file system that others write to makes nothing durable
//! for as long now and then. perfdhcp never sleeps, with one thread on a processor of its own, with two (`--no-pin`) otherwise.
//!
//! perfdhcp is a relay that passes on their requests. No offer waits for a ping: netroot probes by ARP ahead of its offers,
//! dnsmasq has `--no-ping`, and Kea pings no address by default. All have their leases on the same disk, and only netroot waits
//! until it is durable before an ACK; how long that takes is said above the table, and is most of its p99.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};

use super::arena::{Arena, CLIENT, SERVER};
use super::contestants::{self, Start};
use super::version::heading;
use crate::bench::spread::{Spread, percentile};

const SERVERS: [(&str, Start); 3] = [
    ("netroot", contestants::netroot),
    ("dnsmasq", contestants::dnsmasq),
    ("kea", contestants::kea),
];

/// Exchanges a second that are begun.
const RATES: [u32; 8] = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];
/// How long each rate is kept up, in seconds: three rounds take five minutes.
const SECONDS: u32 = 4;
/// How many of 100 exchanges may be lost at a rate that counts as kept up.
const LOST: f64 = 1.0;
/// The share of lost exchanges after which a server is asked at no higher rate.
const HOPELESS: f64 = 0.3;
/// How many times each server is measured at most.
const MOST_ROUNDS: u32 = 3;

/// What came of one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outcome {
    begun: f64,
    done: f64,
    /// 99 of 100 answers (OFFER and ACK) came within this time, in milliseconds.
    p99: f64,
}

/// A rate, of one server.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// Exchanges a second that were completed.
    done: Spread,
    p99: Spread,
    /// Of 100.
    lost: Spread,
    /// Milliseconds of processor time for an exchange.
    processor: Spread,
}

pub(super) fn race(arena: &Arena, rounds: u32) -> Result<()> {
    let mut servers: Vec<(&str, Vec<Cell>)> = SERVERS
        .iter()
        .map(|(name, _)| (*name, vec![Cell::default(); RATES.len()]))
        .collect();
    // A round takes minutes.
    let rounds = rounds.min(MOST_ROUNDS);
    for round in 1..=rounds {
        println!("DHCP, round {round} of {rounds}");
        for ((name, start), (_, cells)) in SERVERS.into_iter().zip(&mut servers) {
            let contestant = start(arena)?;
            for (rate, cell) in RATES.into_iter().zip(cells) {
                let before = contestant.cost()?.processor;
                let outcome = exchange(arena, rate)?;
                let processor = contestant.cost()?.processor - before;
                let lost = 1.0 - outcome.done / outcome.begun.max(1.0);
                let done = outcome.done / f64::from(SECONDS);
                println!(
                    "  {name} {rate}: {done:.0} a second, p99 {:.1} ms, {:.1} % lost",
                    outcome.p99,
                    lost * 100.0
                );
                cell.done.add(done);
                cell.p99.add(outcome.p99);
                cell.lost.add(lost * 100.0);
                let each = processor * 1000.0 / outcome.done.max(1.0);
                cell.processor.add(each);
                if lost > HOPELESS {
                    break;
                }
            }
            contestant.stop()?;
        }
    }
    println!(
        "\nDHCP (perfdhcp, medians of {rounds}; of each rate: exchanges a second, 99th percentile of an answer's delay, lost, each \
         with the least and the most, and processor time for an exchange)\n"
    );
    let (median, p99) = arena.durable_after()?;
    println!(
        "The disk makes 16 KiB durable in {median:.1} ms (median), {p99:.1} ms (99th percentile).\n"
    );
    let names: Vec<String> = servers.iter().map(|(name, _)| heading(name)).collect();
    println!("| begun a second | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for (at, rate) in RATES.into_iter().enumerate() {
        let cells = servers.iter().filter_map(|(_, cells)| cells.get(at));
        let cells: Vec<String> = cells.map(ToString::to_string).collect();
        println!("| {rate} | {} |", cells.join(" | "));
    }
    let kept_up = servers.iter().map(|(name, cells)| {
        let kept_up = cells.iter().take_while(|cell| cell.is_kept_up());
        let last = kept_up.last().and_then(|cell| cell.done.median());
        (*name, last.unwrap_or_default())
    });
    let kept_up: Vec<(&str, f64)> = kept_up.collect();
    println!();
    let own = kept_up.first().map_or(0.0, |(_, own)| *own);
    for (name, kept_up) in kept_up {
        if kept_up > 0.0 {
            let ratio = own / kept_up;
            println!(
                "{name} keeps up {kept_up:.0} exchanges a second; netroot {ratio:.2} times as many"
            );
        } else {
            println!("{name} keeps up none of these rates");
        }
    }
    Ok(())
}

impl Cell {
    fn is_kept_up(&self) -> bool {
        self.lost.median().is_some_and(|lost| lost <= LOST)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(processor) = self.processor.median() else {
            return f.write_str("-");
        };
        let of = |spread: &Spread, digits| {
            let median = spread.median().unwrap_or_default();
            let (least, most) = spread.range().unwrap_or_default();
            let [median, least, most] = [median, least, most].map(|it| format!("{it:.digits$}"));
            match least == most {
                true => median,
                false => format!("{median} ({least} to {most})"),
            }
        };
        let (done, p99, lost) = (of(&self.done, 0), of(&self.p99, 1), of(&self.lost, 1));
        write!(f, "{done}, {p99} ms, {lost} %, {processor:.2} ms")
    }
}

fn exchange(arena: &Arena, rate: u32) -> Result<Outcome> {
    let (rate, seconds) = (rate.to_string(), SECONDS.to_string());
    // The last answers are waited for, for a second (in microseconds). Its exit status is 3 when some were lost.
    let mut argv = vec![
        "perfdhcp", "-4", "-l", CLIENT, "-r", &rate, "-p", &seconds, "-R", "45000", "-W",
        "1000000", "-x", "t",
    ];
    if arena.processor.is_some() {
        argv.extend(["-g", "single"]);
    }
    argv.push(SERVER);
    let said = arena.clients.run_for(&argv, Duration::from_secs(120))?;
    outcome(&said.stdout).with_context(|| {
        let tail: Vec<&str> = said.stdout.lines().rev().take(20).collect();
        format!("perfdhcp said {tail:?} and {}", said.stderr)
    })
}

/// Reads the statistics, and the times of each packet (`-x t`) behind them.
fn outcome(text: &str) -> Option<Outcome> {
    let section = |name: &str| {
        let (_, rest) = text.split_once(&format!("***Statistics for: {name}***"))?;
        Some(rest)
    };
    let number = |text: &str, key: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    let begun = number(section("DISCOVER-OFFER")?, "sent packets:")?;
    let done = number(section("REQUEST-ACK")?, "received packets:")?;
    let delays = text.lines().filter_map(|line| {
        let times = line.strip_prefix("sent / received: ")?;
        let (sent, received) = times.split_once(" / ")?;
        let (sent, received): (f64, f64) = (sent.parse().ok()?, received.parse().ok()?);
        Some((received - sent) * 1000.0)
    });
    let mut delays: Vec<f64> = delays
        .filter(|delay| (0.0..60_000.0).contains(delay))
        .collect();
    let p99 = percentile(&mut delays, 99)?;
    Some(Outcome { begun, done, p99 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_tells_how_far_its_rounds_are_apart() {
        let mut cell = Cell::default();
        assert_eq!(cell.to_string(), "-");
        for (done, p99) in [(249.0, 1.0), (250.0, 3.0), (250.0, 1.5)] {
            cell.done.add(done);
            cell.p99.add(p99);
            cell.lost.add(0.0);
            cell.processor.add(0.25);
        }
        let expected = "250 (249 to 250), 1.5 (1.0 to 3.0) ms, 0.0 %, 0.25 ms";
        assert_eq!(cell.to_string(), expected);
    }

    #[test]
    fn what_perfdhcp_says_is_read() {
        let text = "***Statistics for: DISCOVER-OFFER***
sent packets: 1250
received packets: 1250
***Statistics for: REQUEST-ACK***
sent packets: 1250
received packets: 1248
***Timestamps for packets: DISCOVER-OFFER***
sent / received: 000004.868331 / 000004.910331
sent / received: 000004.864240 / 000004.866240
";
        let expected = Outcome {
            begun: 1250.0,
            done: 1248.0,
            p99: 2.0,
        };
        let Some(read) = outcome(text) else {
            panic!("not read")
        };
        assert_eq!((read.begun, read.done), (expected.begun, expected.done));
        assert!((read.p99 - expected.p99).abs() < 0.001, "{read:?}");
    }
}
