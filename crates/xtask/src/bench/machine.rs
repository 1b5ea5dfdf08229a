//! The machine in which every contestant boots, and its network.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Accel, Nic, TinyRoot, VmBuilder};

use super::bench_network::{BenchNetwork, Dnsmasq};
use super::contestant::Contestant;

/// What the kernel prints last before an initrd is on its own (`init/main.c`).
const RUN_INIT: &str = "Run /init as init process";
/// What the tiny root's init prints first.
const ROOT_INIT: &str = "facts: begin";
/// What it prints last.
const ROOT_END: &str = "facts: end";
/// What a machine says that has too little memory. Not every one gets as far as its root after that, and none boots
/// as it should.
const TOO_SMALL: [&str; 3] = [
    "Kernel panic",
    "Out of memory",
    "Initramfs unpacking failed",
];
/// klibc's slowest boot of those measured for the field notes took 22 s, dracut's 41 s.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The memory of a machine unless that is what is looked for.
pub(super) const MEMORY_MIB: u32 = 512;

/// What is the same for every boot.
pub(super) struct Machine<'a> {
    pub(super) accel: Accel,
    pub(super) kernel: &'a Path,
    pub(super) root: &'a TinyRoot,
}

/// What a boot came to.
pub(super) struct Boot {
    /// From the kernel's "Run /init" to the first word of the root's init.
    pub(super) seconds: f64,
    /// The memory that was ever touched until then, in bytes.
    pub(super) touched: u64,
    /// Everything on the console.
    pub(super) console: String,
}

impl Machine<'_> {
    /// Boots into the root.
    ///
    /// # Errors
    /// When it does not get there.
    pub(super) fn boot(&self, contestant: &Contestant, dnsmasq: Dnsmasq) -> Result<Boot> {
        let network = self.network(contestant, dnsmasq)?;
        let vm = self.build(&network, contestant).counted().start()?;
        let begin = vm.wait_for(RUN_INIT, "the kernel starting /init", TIMEOUT)?;
        let end = vm.wait_for(ROOT_INIT, "the root's init", TIMEOUT)?;
        let touched = vm.touched()?;
        vm.wait_for(ROOT_END, "the end of what it tells", TIMEOUT)?;
        Ok(Boot {
            seconds: end.at.saturating_sub(begin.at).as_secs_f64(),
            touched,
            console: vm.console().text(),
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
        // A failed boot is to end, not to wait for somebody.
        let line = format!("{} ro panic=1", contestant.words);
        VmBuilder::new(&network.net, "vm")
            .accel(self.accel)
            .memory_mib(MEMORY_MIB)
            .nic(Nic::virtio(&network.tap, "52:54:00:be:00:01"))
            .kernel(self.kernel, &contestant.initrd, &line)
    }
}
