//! The machine in which every contestant boots.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_harness::{Accel, Nic, TinyRoot, VmBuilder};

use super::bench_network::{BenchNetwork, Dnsmasq};
use super::case::Case;
use super::contestant::Contestant;

/// The first line of the tiny root's init.
const ROOT_INIT: &str = "facts: begin";
/// The seconds from the kernel's `/init` to the root's init, by the machine's own clock.
const BEGAN: &str = "facts: began ";
/// Its last line.
const ROOT_END: &str = "facts: end";
/// Messages of a machine with too little memory. It may still reach its root, but not as it should.
const TOO_SMALL: [&str; 3] = [
    "Kernel panic",
    "Out of memory",
    "Initramfs unpacking failed",
];
/// The slowest boots measured for the field notes took 22 s (klibc) and 41 s (dracut).
const TIMEOUT: Duration = Duration::from_secs(300);
/// QEMU's words for 4 ns an instruction. While the machine waits, its clock is the real one.
const INSTRUCTIONS: &str = "-icount shift=2,sleep=on";
/// A machine's memory, unless the least memory is being searched for.
pub(super) const MEMORY_MIB: u32 = 512;

/// What is the same for every boot.
pub(super) struct Machine<'a> {
    pub(super) accel: Accel,
    pub(super) kernel: &'a Path,
    pub(super) root: &'a TinyRoot,
    pub(super) case: Case,
    /// The emulated processor takes the same time for each instruction, however fast it is emulated.
    pub(super) by_instructions: bool,
    pub(super) processors: u32,
}

/// The result of a boot.
pub(super) struct Boot {
    /// From the kernel's "Run /init" to the root's init.
    pub(super) seconds: f64,
    /// The memory touched until then, in bytes.
    pub(super) touched: u64,
    /// Everything on the console.
    pub(super) console: String,
}

impl Machine<'_> {
    /// Boots into the root.
    ///
    /// # Errors
    /// When it does not reach it.
    pub(super) fn boot(&self, contestant: &Contestant, dnsmasq: Dnsmasq) -> Result<Boot> {
        let network = self.network(contestant, dnsmasq)?;
        let vm = self.build(&network, contestant).counted().start()?;
        vm.wait_for(ROOT_INIT, "the root's init", TIMEOUT)?;
        let touched = vm.touched()?;
        vm.wait_for(ROOT_END, "the end of its output", TIMEOUT)?;
        let console = vm.console().text();
        let mut lines = console.lines();
        let began = lines.find_map(|line| line.trim_end().strip_prefix(BEGAN));
        let seconds = began.and_then(|seconds| seconds.parse().ok());
        Ok(Boot {
            seconds: seconds.context("the root's init did not tell when it began")?,
            touched,
            console,
        })
    }

    /// Whether it boots into the root with so much memory.
    ///
    /// # Errors
    /// When the machine cannot be started.
    pub(super) fn is_enough(&self, contestant: &Contestant, memory_mib: u32) -> Result<bool> {
        let network = self.network(contestant, Dnsmasq::AnswersAtOnce)?;
        let machine = self.build(&network, contestant);
        let vm = machine.memory_mib(memory_mib).may_panic().start()?;
        let [panic, killed, unpacking] = TOO_SMALL;
        let texts = [ROOT_INIT, panic, killed, unpacking];
        let said = vm.console().wait_for_any(0, &texts, TIMEOUT);
        Ok(matches!(said, Some((0, _))))
    }

    fn network(&self, contestant: &Contestant, dnsmasq: Dnsmasq) -> Result<BenchNetwork> {
        BenchNetwork::start(contestant.log, self.root, dnsmasq)
    }

    fn build<'net>(&self, network: &'net BenchNetwork, contestant: &Contestant) -> VmBuilder<'net> {
        // A failed boot should end rather than wait for an administrator.
        let line = format!(
            "{} ro panic=1 {}",
            contestant.command_line,
            self.case.parameters()
        );
        let clock = if self.by_instructions {
            INSTRUCTIONS
        } else {
            ""
        };
        let hardware = format!("-smp {} {clock}", self.processors);
        VmBuilder::new(&network.net, "vm")
            .hardware(&hardware)
            .accel(self.accel)
            .memory_mib(MEMORY_MIB)
            .nic(Nic::virtio(&network.tap, "52:54:00:be:00:01"))
            .kernel(self.kernel, &contestant.initrd, &line)
    }
}
