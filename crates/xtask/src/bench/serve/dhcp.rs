//! DHCP: whole exchanges (DISCOVER to ACK) at rising rates, from tens of thousands of machines.

use std::time::Duration;

use anyhow::{Context, Result};

use super::arena::{Arena, CLIENT, SERVER};
use super::contestants::{self, Start};

const SERVERS: [(&str, Start); 3] = [
    ("netroot", contestants::netroot),
    ("dnsmasq", contestants::dnsmasq),
    ("kea", contestants::kea),
];

/// Exchanges a second that are begun.
const RATES: [u32; 8] = [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000];
/// How long each rate is kept up, in seconds.
const SECONDS: u32 = 5;
/// The share of exchanges that may be lost at a rate that counts as kept up.
const LOST: f64 = 0.01;

/// What came of one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Outcome {
    begun: f64,
    done: f64,
    /// 99 of 100 answers (OFFER and ACK) came within this time, in milliseconds.
    p99: f64,
}

pub(super) fn race(arena: &Arena) -> Result<()> {
    println!("\nDHCP (perfdhcp; exchanges a second, 99th percentile of an answer's delay, lost)\n");
    println!("| | begun a second | done a second | p99 (ms) | lost | processor (s per 1000) |");
    println!("|---|---|---|---|---|---|");
    let mut best = Vec::new();
    for (name, start) in SERVERS {
        let contestant = start(arena)?;
        let mut kept_up: f64 = 0.0;
        for rate in RATES {
            let before = contestant.cost()?.processor;
            let outcome = exchange(arena, rate)?;
            let processor = contestant.cost()?.processor - before;
            let lost = 1.0 - outcome.done / outcome.begun.max(1.0);
            let each_second = outcome.done / f64::from(SECONDS);
            println!(
                "| {name} | {rate} | {each_second:.0} | {:.1} | {:.1} % | {:.3} |",
                outcome.p99,
                lost * 100.0,
                processor * 1000.0 / outcome.done.max(1.0)
            );
            if lost > LOST {
                break;
            }
            kept_up = kept_up.max(each_second);
        }
        best.push((name, kept_up));
        contestant.stop()?;
    }
    println!();
    let own = best.first().map_or(0.0, |(_, own)| *own);
    for (name, kept_up) in best {
        let ratio = own / kept_up;
        println!(
            "{name} keeps up {kept_up:.0} exchanges a second; netroot {ratio:.2} times as many"
        );
    }
    Ok(())
}

fn exchange(arena: &Arena, rate: u32) -> Result<Outcome> {
    let (rate, seconds) = (rate.to_string(), SECONDS.to_string());
    // The last answers are waited for, for a second (in microseconds). Its exit status is 3 when some were lost.
    let said = arena.clients.run_for(
        &[
            "perfdhcp", "-4", "-l", CLIENT, "-r", &rate, "-p", &seconds, "-R", "45000", "-W",
            "1000000", "-x", "t", SERVER,
        ],
        Duration::from_secs(120),
    )?;
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
    delays.sort_by(f64::total_cmp);
    let last = delays.len().checked_sub(1)?;
    let p99 = *delays.get(last * 99 / 100)?;
    Some(Outcome { begun, done, p99 })
}

#[cfg(test)]
mod tests {
    use super::*;

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
