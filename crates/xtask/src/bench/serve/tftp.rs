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
//!   compares windows of 16 x 1468 bytes with the others' of 16 x 8192, in six fragments each; on a link with an MTU of 9000, which
//!   carries such blocks whole, all send the same.
//! * tftpd-hpa's processor time is that of children that nobody waits for.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::arena::{Arena, LARGE, SERVER, SMALL, Served};
use super::contestants::{self, Contestant, Start};
use super::table::{self, Better, Row};
use super::tftp_client::{self, Fetched, Wanted};

/// MTUs of the cable, in bytes: Ethernet's, and one for jumbo frames.
const MTUS: [u16; 2] = [ETHERNET, 9000];
const ETHERNET: u16 = 1500;

/// What is asked for in a row.
#[derive(Clone, Copy)]
struct Asked {
    /// Bytes of a block, and blocks of a window.
    block: u16,
    window: u16,
    file: Served,
    /// The cable's.
    mtu: u16,
}

const ROWS: [Asked; 7] = [
    Asked::on_ethernet(512, 1, SMALL),
    Asked::on_ethernet(1468, 1, SMALL),
    Asked::on_ethernet(1468, 4, LARGE),
    Asked::on_ethernet(1468, 16, LARGE),
    Asked::on_ethernet(1468, 64, LARGE),
    Asked::on_ethernet(8192, 16, LARGE),
    Asked {
        mtu: 9000,
        ..Asked::on_ethernet(8192, 16, LARGE)
    },
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
    let empty = |asked: Asked| Row::of(asked.to_string(), SERVERS.map(|(name, ..)| name));
    let (mut rates, mut costs) = (ROWS.map(empty), ROWS.map(empty));
    let mut smaller = BTreeSet::new();
    for (round, mtu) in (1..=rounds).flat_map(|round| MTUS.map(|mtu| (round, mtu))) {
        println!("TFTP, round {round} of {rounds}, an MTU of {mtu}");
        arena.set_mtu(mtu)?;
        for (server, (name, start, windows)) in SERVERS.iter().enumerate() {
            let contestant = start(arena)?;
            let rows = rates.iter_mut().zip(&mut costs);
            for (asked, (rate, cost)) in ROWS.into_iter().zip(rows) {
                if asked.mtu != mtu || asked.window > 1 && !windows {
                    continue;
                }
                match asked.fetch(arena, &contestant)? {
                    Ok((fetched, processor)) => {
                        let mib = f64::from(u32::try_from(asked.file.mib)?);
                        rate.add(server, mib * 1.048_576 / fetched.took.as_secs_f64());
                        // tftpd-hpa serves in a child that it does not wait for, whose time ticks do not count.
                        if processor > 0.0 {
                            cost.add(server, processor * 1000.0 / mib);
                        }
                        if fetched.block != asked.block {
                            smaller.insert((*name, asked.to_string(), fetched.block));
                        }
                    }
                    Err(error) => println!("  {name} did not finish {asked}: {error:#}"),
                }
            }
            contestant.stop()?;
        }
    }
    arena.set_mtu(ETHERNET)?;
    table::print("TFTP, one client", "MB/s", Better::More, &rates);
    table::print(
        "TFTP, processor time of the server",
        "ms per MiB",
        Better::Less,
        &costs,
    );
    for (name, asked, granted) in smaller {
        println!(
            "{name} granted blocks of {granted} bytes, the most that fits the MTU, of {asked}"
        );
    }
    Ok(())
}

impl Asked {
    const fn on_ethernet(block: u16, window: u16, file: Served) -> Self {
        Self {
            block,
            window,
            file,
            mtu: ETHERNET,
        }
    }

    /// Fetches the file, and how many seconds of processor time that took the server; or why it was not sent.
    ///
    /// # Errors
    /// When the server has ended.
    fn fetch(self, arena: &Arena, server: &Contestant) -> Result<Result<(Fetched, f64)>> {
        let wanted = Wanted {
            name: self.file.name,
            length: self.file.mib << 20,
            block: self.block,
            window: self.window,
            awake: arena.processor.is_some(),
        };
        let before = server.cost()?.processor;
        let fetch = || tftp_client::fetch(SERVER.parse()?, wanted, LONGEST);
        let fetched = arena.clients.within(fetch);
        let processor = server.cost()?.processor - before;
        Ok(fetched.map(|fetched| (fetched, processor)))
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.block, self.window)?;
        match self.mtu {
            ETHERNET => Ok(()),
            mtu => write!(f, ", MTU {mtu}"),
        }
    }
}
