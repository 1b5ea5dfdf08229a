//! Time and memory from the kernel's "Run /init" to the root's init: this project's `init`, initramfs-tools'
//! `boot=nfs` and a baseline that knows every answer, in the same machine, with the same dnsmasq and NFS-Ganesha.
//!
//! In the [best case](Case::Best) and in the [ordinary](Case::Ordinary) one.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Accel, paths};

use super::bench_network::Dnsmasq;
use super::case::Case;
use super::contestant::{self, Contestant, Images};
use super::machine::{MEMORY_MIB, Machine};
use super::memory;
use super::spread::Spread;
use super::steps::Steps;
use crate::privileges::needs_root;
use crate::{build, setup};

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each initrd is booted in each case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Skip the DHCP server that pings first and the search for the least memory: half of the time.
    #[arg(long)]
    quick: bool,
    /// Only the best case, or the ordinary one.
    #[arg(long)]
    only: Option<Case>,
    /// Leave initramfs-tools out, which takes most of the time.
    #[arg(long)]
    without_peer: bool,
    /// Another init to boot beside this one, such as one built from an earlier commit.
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Count instructions at 4 ns each, instead of the time that their emulation takes: comparable on a busy machine. Waits are
    /// still as long as they last.
    #[arg(long, conflicts_with = "kvm")]
    instructions: bool,
    /// How many processors the machine has. With as many as this one has, not at a real-time priority: its servers would
    /// have none.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    processors: u32,
    /// Build nothing first: neither programs nor initrds, but use those of the run before.
    #[arg(long)]
    no_build: bool,
    /// Use KVM where it works. By default QEMU emulates the processor, as on a machine without KVM.
    #[arg(long)]
    kvm: bool,
}

/// The contestants of a case.
struct Field {
    /// In the order of a round: ours first, then the baseline.
    racers: Vec<Contestant>,
    nothing: Contestant,
}

/// The measurements of one contestant.
#[derive(Default)]
struct Measured {
    seconds: Spread,
    touched_mib: Spread,
    steps: Steps,
}

/// Builds the initrds, boots them in turn and prints every number, the medians and the ratios.
///
/// # Errors
/// When something cannot be built or a machine does not reach its root.
pub(crate) fn run_bench(options: &Options) -> Result<()> {
    if !options.no_build {
        setup::run()?;
        build::bench()?;
    }
    needs_root(
        "this makes network namespaces and an initrd in a chroot",
        "bench boot",
    )?;
    let (version, kernel) = paths::debian_kernel()?;
    for case in Case::ALL {
        if options.only.is_some_and(|only| only != case) {
            continue;
        }
        let root = case.root()?;
        let machine = Machine {
            accel: if options.kvm { Accel::Kvm } else { Accel::Tcg },
            kernel: &kernel,
            root: &root,
            case,
            by_instructions: options.instructions,
            processors: options.processors,
        };
        println!("{}", case.name());
        let field = Field::make(&machine, &version, options)?;
        let measured = field.compare(&machine, Dnsmasq::AnswersAtOnce, options.rounds)?;
        if case == Case::Best {
            field.print_memory(&machine, &measured)?;
        }
        if !options.quick {
            field.compare(&machine, Dnsmasq::PingsFirst, options.rounds)?;
            if case == Case::Best {
                field.print_least_memory(&machine)?;
            }
        }
    }
    Ok(())
}

impl Field {
    fn make(machine: &Machine<'_>, version: &str, options: &Options) -> Result<Self> {
        let folder = paths::cache().join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let images = Images {
            folder,
            kept: options.no_build,
        };
        println!("making initrds for {version}: every Ethernet driver in each (MODULES=netboot)");
        let netroot = contestant::netroot(&images)?;
        let baseline = contestant::baseline(&images, machine.root, version, || {
            println!("asking the init which modules it loads in this machine");
            let console = machine.boot(&netroot, Dnsmasq::AnswersAtOnce)?.console;
            let modules = contestant::loaded(&console)?;
            println!("  {}", modules.join(" "));
            Ok(modules)
        })?;
        let mut racers = vec![netroot, baseline];
        if let Some(init) = &options.beside {
            racers.push(contestant::other(&images, machine.root, init)?);
        }
        if !options.without_peer {
            racers.push(contestant::initramfs_tools(&images, version)?);
        }
        for contestant in &racers {
            let size = std::fs::metadata(&contestant.initrd)?.len();
            println!("  {:<25} {:>6.2} MiB", contestant.name, mib(size));
        }
        Ok(Self {
            nothing: contestant::nothing(&images, machine.root)?,
            racers,
        })
    }

    fn compare(
        &self,
        machine: &Machine<'_>,
        dnsmasq: Dnsmasq,
        rounds: u32,
    ) -> Result<Vec<Measured>> {
        let measured = self.race(machine, dnsmasq, rounds)?;
        self.print_times(machine, dnsmasq, &measured)?;
        Ok(measured)
    }

    /// Boots each in turn, so that a slowdown of this machine affects all of them alike.
    fn race(&self, machine: &Machine<'_>, dnsmasq: Dnsmasq, rounds: u32) -> Result<Vec<Measured>> {
        let mut all: Vec<Measured> = self.racers.iter().map(|_| Measured::default()).collect();
        for round in 1..=rounds {
            for (contestant, measured) in self.racers.iter().zip(&mut all) {
                let boot = machine
                    .boot(contestant, dnsmasq)
                    .with_context(|| format!("boot {}", contestant.name))?;
                println!(
                    "round {round} of {rounds}: {:<25} {:6.2} s {:7.2} MiB",
                    contestant.name,
                    boot.seconds,
                    mib(boot.touched)
                );
                measured.seconds.add(boot.seconds);
                measured.touched_mib.add(mib(boot.touched));
                measured.steps.add(&boot.console);
            }
        }
        Ok(all)
    }

    fn print_times(&self, machine: &Machine<'_>, dnsmasq: Dnsmasq, all: &[Measured]) -> Result<()> {
        println!();
        println!(
            "from \"Run /init\" to the root's init, seconds{}; QEMU {}, processors: {}, NFS-Ganesha by v3, dnsmasq {}; {}:",
            if machine.by_instructions {
                " of 250 million instructions"
            } else {
                ""
            },
            machine.accel.name(),
            machine.processors,
            match dnsmasq {
                Dnsmasq::AnswersAtOnce => "answers at once (--no-ping)",
                Dnsmasq::PingsFirst => "pings for 3 s before it answers",
            },
            machine.case.name()
        );
        for (contestant, measured) in self.racers.iter().zip(all) {
            println!("  {:<25} {}", contestant.name, measured.seconds);
            if let Some(steps) = measured.steps.line() {
                println!("    its own steps, milliseconds: {steps}");
            }
        }
        let ours = all.first().and_then(|ours| ours.seconds.median());
        let ours = ours.context("no boot was measured")?;
        for (other, measured) in self.racers.iter().zip(all).skip(1) {
            if let Some(theirs) = measured.seconds.median() {
                println!(
                    "  netroot init: {:.2} of {}, {:+.2} s",
                    ours / theirs,
                    other.name,
                    ours - theirs
                );
            }
        }
        println!();
        Ok(())
    }

    /// See [`memory`] for how and why.
    fn print_memory(&self, machine: &Machine<'_>, all: &[Measured]) -> Result<()> {
        let alone = mib(machine.boot(&self.nothing, Dnsmasq::AnswersAtOnce)?.touched);
        println!(
            "memory touched until the root's init starts, MiB of {MEMORY_MIB}; {}: {alone:.2}",
            self.nothing.name
        );
        for (contestant, measured) in self.racers.iter().zip(all) {
            println!("  {:<25} {}", contestant.name, measured.touched_mib);
        }
        if let Some(kib) = all.first().and_then(|ours| ours.steps.memory_kib()) {
            println!(
                "  of which the init's own process, at its largest: {:.2}",
                kib / 1024.0
            );
        }
        let ours = all.first().and_then(|ours| ours.touched_mib.median());
        let ours = ours.context("no boot was measured")?;
        for (other, measured) in self.racers.iter().zip(all).skip(1) {
            if let Some(theirs) = measured.touched_mib.median() {
                println!(
                    "  netroot init: {:.2} of {}; beyond the kernel alone {:.1} MiB beside {:.1} MiB: {:.2}",
                    ours / theirs,
                    other.name,
                    ours - alone,
                    theirs - alone,
                    (ours - alone) / (theirs - alone)
                );
            }
        }
        println!();
        Ok(())
    }

    fn print_least_memory(&self, machine: &Machine<'_>) -> Result<()> {
        ensure!(!self.racers.is_empty(), "nothing to measure");
        println!();
        println!("the least memory that reaches the root, MiB:");
        for contestant in &self.racers {
            println!(
                "  {:<25} {}",
                contestant.name,
                memory::least(machine, contestant)?
            );
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
