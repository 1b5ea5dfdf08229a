//! Time and memory from the kernel's "Run /init" to the root's init: this project's `init`, initramfs-tools'
//! `boot=nfs` and a baseline that knows every answer, in the same machine, with the same dnsmasq and NFS-Ganesha.

use anyhow::{Context, Result};
use netroot_harness::{Accel, TinyRoot, paths};

use super::bench_network::Dnsmasq;
use super::contestant::{self, Contestant};
use super::machine::{MEMORY_MIB, Machine};
use super::memory;
use super::spread::Spread;
use super::steps::Steps;
use crate::privileges::needs_root;
use crate::{build, setup};

/// What to measure.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Options {
    /// How many times each initrd is booted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Skip the DHCP server that pings first and the search for the least memory: a third of the time.
    #[arg(long)]
    quick: bool,
    /// Use KVM where it works. By default QEMU emulates the processor, as on a machine without KVM.
    #[arg(long)]
    kvm: bool,
}

/// The contestants, in the order of a round.
struct Field {
    netroot: Contestant,
    baseline: Contestant,
    initramfs_tools: Contestant,
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
pub(crate) fn run_bench(options: Options) -> Result<()> {
    setup::run()?;
    build::bench()?;
    needs_root(
        "this makes network namespaces and an initrd in a chroot",
        "bench boot",
    )?;
    let (version, kernel) = paths::debian_kernel()?;
    let root = TinyRoot::make()?;
    let machine = Machine {
        accel: if options.kvm { Accel::Kvm } else { Accel::Tcg },
        kernel: &kernel,
        root: &root,
    };
    let field = Field::make(&machine, &version)?;
    let measured = field.compare(&machine, Dnsmasq::AnswersAtOnce, options.rounds)?;
    field.print_memory(&machine, &measured)?;
    if !options.quick {
        field.compare(&machine, Dnsmasq::PingsFirst, options.rounds)?;
        field.print_least_memory(&machine)?;
    }
    Ok(())
}

impl Field {
    fn make(machine: &Machine<'_>, version: &str) -> Result<Self> {
        let folder = paths::cache().join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        println!("making initrds for {version}: every Ethernet driver in each (MODULES=netboot)");
        let netroot = contestant::netroot(&folder)?;
        println!("asking the init which modules it loads in this machine");
        let console = machine.boot(&netroot, Dnsmasq::AnswersAtOnce)?.console;
        let modules = contestant::loaded(&console)?;
        println!("  {}", modules.join(" "));
        let field = Self {
            baseline: contestant::baseline(&folder, machine.root, version, &modules)?,
            initramfs_tools: contestant::initramfs_tools(&folder, version)?,
            nothing: contestant::nothing(&folder, machine.root)?,
            netroot,
        };
        for contestant in field.racers() {
            let size = std::fs::metadata(&contestant.initrd)?.len();
            println!("  {:<25} {:>6.2} MiB", contestant.name, mib(size));
        }
        Ok(field)
    }

    /// The contestants whose time is measured.
    fn racers(&self) -> [&Contestant; 3] {
        [&self.netroot, &self.baseline, &self.initramfs_tools]
    }

    fn compare(
        &self,
        machine: &Machine<'_>,
        dnsmasq: Dnsmasq,
        rounds: u32,
    ) -> Result<[Measured; 3]> {
        let measured = self.race(machine, dnsmasq, rounds)?;
        self.print_times(machine, dnsmasq, &measured);
        Ok(measured)
    }

    /// Boots each in turn, so that a slowdown of this machine affects all of them alike.
    fn race(&self, machine: &Machine<'_>, dnsmasq: Dnsmasq, rounds: u32) -> Result<[Measured; 3]> {
        let mut all: [Measured; 3] = Default::default();
        for round in 1..=rounds {
            for (contestant, measured) in self.racers().into_iter().zip(&mut all) {
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

    fn print_times(&self, machine: &Machine<'_>, dnsmasq: Dnsmasq, all: &[Measured; 3]) {
        println!();
        println!(
            "from \"Run /init\" to the root's init, seconds; QEMU {}, NFS-Ganesha by v3, dnsmasq {}:",
            machine.accel.name(),
            match dnsmasq {
                Dnsmasq::AnswersAtOnce => "answers at once (--no-ping)",
                Dnsmasq::PingsFirst => "pings for 3 s before it answers",
            }
        );
        for (contestant, measured) in self.racers().iter().zip(all) {
            println!("  {:<25} {}", contestant.name, measured.seconds);
        }
        if let Some(steps) = all.first().and_then(|ours| ours.steps.line()) {
            println!("  the init's own steps, milliseconds: {steps}");
        }
        if let [Some(ours), Some(least), Some(theirs)] = all.each_ref().map(|m| m.seconds.median())
        {
            println!(
                "  {}: {:.2} of {}, and {:.2} s more than {}",
                self.netroot.name,
                ours / theirs,
                self.initramfs_tools.name,
                ours - least,
                self.baseline.name
            );
        }
        println!();
    }

    /// See [`memory`] for how and why.
    fn print_memory(&self, machine: &Machine<'_>, all: &[Measured; 3]) -> Result<()> {
        let alone = mib(machine.boot(&self.nothing, Dnsmasq::AnswersAtOnce)?.touched);
        println!(
            "memory touched until the root's init starts, MiB of {MEMORY_MIB}; {}: {alone:.2}",
            self.nothing.name
        );
        for (contestant, measured) in self.racers().iter().zip(all) {
            println!("  {:<25} {}", contestant.name, measured.touched_mib);
        }
        if let Some(kib) = all.first().and_then(|ours| ours.steps.memory_kib()) {
            println!(
                "  of which the init's own process, at its largest: {:.2}",
                kib / 1024.0
            );
        }
        let medians = all.each_ref().map(|m| m.touched_mib.median());
        if let [Some(ours), _, Some(theirs)] = medians {
            println!(
                "  {}: {:.2} of {}; beyond the kernel alone {:.1} MiB beside {:.1} MiB: {:.2}",
                self.netroot.name,
                ours / theirs,
                self.initramfs_tools.name,
                ours - alone,
                theirs - alone,
                (ours - alone) / (theirs - alone)
            );
        }
        println!();
        Ok(())
    }

    fn print_least_memory(&self, machine: &Machine<'_>) -> Result<()> {
        let ours = memory::least(machine, &self.netroot)?;
        let theirs = memory::least(machine, &self.initramfs_tools)?;
        println!();
        println!(
            "the least memory that reaches the root, MiB: {} {ours}, {} {theirs}: {:.2}",
            self.netroot.name,
            self.initramfs_tools.name,
            f64::from(ours) / f64::from(theirs)
        );
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
