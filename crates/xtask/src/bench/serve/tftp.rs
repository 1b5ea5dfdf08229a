//! TFTP: one client, with the block sizes and windows that firmware and loaders ask for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::arena::{Arena, LARGE, SERVER, SMALL, Served};
use super::contestants::{self, Start};
use super::table::{self, Better, Row};
use crate::bench::spread::Spread;

/// Bytes of a block, and blocks of a window.
const ROWS: [(u32, u32, Served); 6] = [
    (512, 1, SMALL),
    (1468, 1, SMALL),
    (1468, 4, LARGE),
    (1468, 16, LARGE),
    (1468, 64, LARGE),
    (8192, 16, LARGE),
];

/// Whether it knows windows (RFC 7440).
const SERVERS: [(&str, Start, bool); 5] = [
    ("netroot", contestants::netroot, true),
    ("dnsmasq", contestants::dnsmasq, false),
    ("atftpd", contestants::atftpd, true),
    ("tftpd-hpa", contestants::tftpd_hpa, false),
    ("rs-tftpd", contestants::rs_tftpd, true),
];

/// How long a transfer may take: one that stalls is none.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn race(arena: &Arena, rounds: u32) -> Result<()> {
    let mut rows: Vec<Row> = ROWS
        .iter()
        .map(|(block, window, _)| Row {
            name: format!("{block} x {window}"),
            cells: SERVERS
                .iter()
                .map(|(name, ..)| (*name, Spread::default()))
                .collect(),
        })
        .collect();
    for round in 1..=rounds {
        println!("TFTP, round {round} of {rounds}");
        for (server, (name, start, windows)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            for (row, (block, window, file)) in rows.iter_mut().zip(ROWS) {
                if window > 1 && !windows {
                    continue;
                }
                let Some((_, cell)) = row.cells.get_mut(server) else {
                    continue;
                };
                match fetch(arena, block, window, file)? {
                    Some(seconds) => cell.add(megabytes(file) / seconds),
                    None => println!("  {name} did not finish {block} x {window}"),
                }
            }
            contestant.stop()?;
        }
    }
    table::print("TFTP, one client", "MB/s", Better::More, &rows);
    Ok(())
}

/// With atftp. The time in seconds; `None` if it did not arrive.
fn fetch(arena: &Arena, block: u32, window: u32, file: Served) -> Result<Option<f64>> {
    // Timed where it runs: who waits for it looks only now and then.
    let fetch = format!(
        "TIMEFORMAT=%3R; time timeout 60 atftp --option 'blksize {block}' --option 'windowsize {window}' --get \
         --remote-file {} --local-file /run/fetched {SERVER} 2>/dev/null",
        file.name
    );
    let fetched = arena
        .clients
        .run_for(&["bash", "-c", &fetch], LONGEST * 2)?;
    let seconds = fetched
        .stderr
        .lines()
        .last()
        .and_then(|line| line.trim().parse::<f64>().ok());
    let seconds = seconds.with_context(|| format!("no time in {:?}", fetched.stderr))?;
    let length = std::fs::metadata(arena.clients.path("/run/fetched")).map(|it| it.len());
    let is_whole = length.is_ok_and(|length| length == file.mib << 20);
    arena.clients.run(&["rm", "-f", "/run/fetched"])?;
    if !fetched.status.success() || !is_whole {
        return Ok(None);
    }
    ensure!(seconds > 0.0, "a transfer in no time");
    Ok(Some(seconds))
}

fn megabytes(file: Served) -> f64 {
    f64::from(u32::try_from(file.mib).unwrap_or_default()) * 1.048_576
}
