//! What `netroot serve` hands out, beside the servers that people use for it today: TFTP, HTTP, DHCP, and many machines at
//! once. Every contestant serves the same file over the same cable in the same run, one after the other in each round.

mod arena;
mod contestants;
mod dhcp;
mod http;
mod processors;
mod storm;
mod storm_client;
pub(super) mod table;
mod tftp;
mod tftp_client;
mod version;

use anyhow::Result;

use self::arena::Arena;
use self::processors::Processors;
use crate::privileges::needs_root;
use crate::{build, setup};

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each server is measured in each row.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only these: tftp, http, dhcp, storm. May be given several times.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Measure target/release/netroot as it is.
    #[arg(long)]
    no_build: bool,
    /// Let servers and clients share all processors, instead of one for the server and the others for its clients.
    #[arg(long)]
    no_pin: bool,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Block sizes and windows, one client.
    Tftp,
    /// One connection and 64.
    Http,
    /// Exchanges at rising rates.
    Dhcp,
    /// 200 machines that load kernel and initrd at once.
    Storm,
}

/// Measures, and prints each table as soon as it is known.
///
/// # Errors
/// When something cannot be built, or a server does not serve.
pub(crate) fn run_bench(options: &Options) -> Result<()> {
    setup::run_for_bench_serve()?;
    if !options.no_build {
        build::bench()?;
    }
    needs_root("this makes network namespaces", "bench serve")?;
    let processors = if options.no_pin {
        None
    } else {
        Processors::divide()?
    };
    match &processors {
        Some(processors) => println!(
            "Each server runs on processor {}, clients on the others.",
            processors.servers
        ),
        None => println!("Servers and clients share all processors."),
    }
    println!(
        "A server's processor time is counted {}.",
        contestants::how_counted()
    );
    let arena = Arena::make(processors)?;
    let rounds = options.rounds;
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    if wanted(Part::Tftp) {
        tftp::race(&arena, rounds)?;
    }
    if wanted(Part::Http) {
        http::race(&arena, rounds)?;
    }
    if wanted(Part::Dhcp) {
        dhcp::race(&arena, rounds)?;
    }
    if wanted(Part::Storm) {
        storm::race(&arena, rounds)?;
    }
    Ok(())
}
