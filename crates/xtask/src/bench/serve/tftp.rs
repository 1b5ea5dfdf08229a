//! TFTP: one client, with the block sizes and windows that firmware and loaders ask for.
//!
//! What is known of it (two processors, KVM, Linux 6.18):
//! * Nearly all is the kernel's: of two programs that do nothing but `recv` and `send` (1468 bytes), a block takes 35 µs if both sleep
//!   until the other has answered, 21 if the server does not, 7 if neither does; a window of four blocks 38, 24 and 10 µs, of sixteen 43,
//!   31 and 17. Waking a halted processor is the rest. netroot waits awake for a client that answers at once
//!   (`serve/tftp/polling.rs`), and so does the client here, like firmware, where it has a processor of its own (not with `--no-pin`).
//! * On a busy machine these rows are noise; `chrt -r 10 cargo xtask bench serve --only tftp --no-build` runs servers and
//!   client before everything else.
//! * Blocks larger than the interface's MTU are not granted, by netroot and by dnsmasq: `negotiate::Limits` says why. So 8192 x 16
//!   compares windows of 16 x 1468 bytes with the others' of 16 x 8192, in six fragments each.
//! * tftpd-hpa's processor time is that of children that nobody waits for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::arena::{Arena, LARGE, SERVER, SMALL, Served};
use super::contestants::{self, Start};
use super::table::{self, Better, Row};
use super::tftp_client::{self, Wanted};

/// Bytes of a block, and blocks of a window.
const ROWS: [(u16, u16, Served); 6] = [
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
    let empty = |(block, window, _)| {
        let name = format!("{block} x {window}");
        Row::of(name, SERVERS.map(|(name, ..)| name))
    };
    let (mut rates, mut costs) = (ROWS.map(empty), ROWS.map(empty));
    let mut smaller = BTreeSet::new();
    for round in 1..=rounds {
        println!("TFTP, round {round} of {rounds}");
        for (server, (name, start, windows)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            let rows = rates.iter_mut().zip(&mut costs);
            for ((block, window, file), (rate, cost)) in ROWS.into_iter().zip(rows) {
                if window > 1 && !windows {
                    continue;
                }
                let wanted = Wanted {
                    name: file.name,
                    length: file.mib << 20,
                    block,
                    window,
                    awake: arena.processor.is_some(),
                };
                let before = contestant.cost()?.processor;
                let fetched = arena
                    .clients
                    .within(|| tftp_client::fetch(SERVER.parse()?, wanted, LONGEST));
                let processor = contestant.cost()?.processor - before;
                let mib = f64::from(u32::try_from(file.mib)?);
                match fetched {
                    Ok(fetched) => {
                        rate.add(server, mib * 1.048_576 / fetched.took.as_secs_f64());
                        // tftpd-hpa serves in a child that it does not wait for, whose time ticks do not count.
                        if processor > 0.0 {
                            cost.add(server, processor * 1000.0 / mib);
                        }
                        if fetched.block != block {
                            smaller.insert((*name, block, fetched.block));
                        }
                    }
                    Err(error) => println!("  {name} did not finish {block} x {window}: {error:#}"),
                }
            }
            contestant.stop()?;
        }
    }
    table::print("TFTP, one client", "MB/s", Better::More, &rates);
    table::print(
        "TFTP, processor time of the server",
        "ms per MiB",
        Better::Less,
        &costs,
    );
    for (name, asked, granted) in smaller {
        println!("{name} granted blocks of {granted} bytes where {asked} were asked for");
    }
    Ok(())
}
