//! Ten minutes without the server: a running machine continues afterwards, whatever it reads, and a booting one waits and boots.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Loss, NetrootServe, Nic, TinyRoot, Transcript, Vm, VmBuilder};

use crate::lan::{Facts, Lan, MACHINE, STATIC, TIMEOUT, own_export};
use crate::whole_root::{SUM, WholeRoot, begins_to_read};

const OUTAGE: Duration = Duration::from_secs(600);
/// The kernel's NFS client waits up to five minutes before it reconnects (`XS_TCP_MAX_REEST_TO`).
const RECONNECTING: Duration = Duration::from_secs(600);
/// The longest pause between two attempts to boot, in seconds.
const LONGEST_PAUSE: u64 = 60;

/// The name of a file that takes a machine long to read.
const LONG: &str = "etc/long";

/// The kind of outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// Its program is killed: the port is closed.
    Killed,
    /// Every packet is dropped silently.
    Silent,
}

/// A running machine, and its server.
struct Machine {
    gone: Gone,
    lan: Lan,
    root: TinyRoot,
    server: NetrootServe,
    vm: Vm,
    /// The length of the console's output at the start of the outage.
    said: usize,
    /// What it reads without end, bypassing caches.
    whole: WholeRoot,
}

impl Machine {
    fn start(gone: Gone) -> Result<Self> {
        let lan = Lan::new(&format!("outage-{gone:?}").to_lowercase())?;
        let root = TinyRoot::with_few_modules()?;
        // The server is lost in the middle of the sum.
        std::fs::write(root.path().join(LONG), vec![7; 4 << 20])?;
        let whole = WholeRoot::of(root.path())?;
        let server = lan.serve(root.path(), &[])?;
        let vm = lan.boot(&format!(
            "{} ip=dhcp ro facts.stay facts.sum",
            own_export(root.path())?
        ))?;
        Ok(Self {
            gone,
            lan,
            root,
            server,
            vm,
            said: 0,
            whole,
        })
    }

    fn lose_the_server(&mut self) -> Result<()> {
        begins_to_read(&mut self.vm)?;
        match self.gone {
            Gone::Killed => drop(self.server.program().kill()?),
            Gone::Silent => self.lan.net.lose(&self.lan.tap.0, Loss::ALL)?,
        }
        // Reads in progress may still complete.
        std::thread::sleep(Duration::from_secs(15));
        self.said = self.vm.console().text().len();
        Ok(())
    }

    fn bring_it_back(&mut self) -> Result<()> {
        let during = after(self.vm.console(), self.said);
        ensure!(
            !during.contains(SUM),
            "{:?}: no outage: {during}",
            self.gone
        );
        // The kernel prints "not responding" once per mount and three minutes.
        ensure!(during.lines().count() < 40, "{:?}: {during}", self.gone);
        match self.gone {
            Gone::Killed => self.server = self.lan.serve(self.root.path(), &[])?,
            Gone::Silent => self.lan.net.mend(&self.lan.tap.0)?,
        }
        Ok(())
    }

    fn goes_on(&mut self) -> Result<()> {
        // In the middle of the first one the server was gone.
        self.whole
            .is_read_after(&self.vm, self.said, RECONNECTING)?;
        self.whole.is_read_once_more(&mut self.vm)?;
        let text = self.vm.console().text();
        // The root was not mounted a second time.
        ensure!(text.matches("netroot: mounted ").count() == 1, "{text}");
        let mounts = |server: &NetrootServe| {
            let events = server.events();
            events
                .iter()
                .filter(|(_, event)| event.kind == "mount")
                .count()
        };
        let expected = match self.gone {
            Gone::Killed => 0,
            Gone::Silent => 1,
        };
        let mounts = mounts(&self.server);
        ensure!(mounts == expected, "{:?}: {mounts} mounts", self.gone);
        ensure!(self.vm.running()?);
        Ok(())
    }
}

/// The output after the first `begin` bytes.
fn after(console: &Transcript, begin: usize) -> String {
    console.text().get(begin..).unwrap_or_default().to_owned()
}

#[test]
#[ignore = "takes ten minutes"]
fn running_machines_read_their_whole_root_over_ten_minutes_without_their_server() -> Result<()> {
    let mut machines = [Machine::start(Gone::Killed)?, Machine::start(Gone::Silent)?];
    for machine in &machines {
        machine.whole.is_read_after(&machine.vm, 0, TIMEOUT)?;
    }
    for machine in &mut machines {
        machine.lose_the_server()?;
    }
    std::thread::sleep(OUTAGE);
    for machine in &mut machines {
        machine.bring_it_back()?;
    }
    for machine in &mut machines {
        machine.goes_on()?;
    }
    Ok(())
}

/// The announced pauses in seconds, in order.
fn pauses(text: &str) -> Vec<u64> {
    let announced = text.lines().filter_map(|line| {
        let rest = line.split_once("netroot: trying again in ")?.1;
        rest.split(' ').next()?.parse().ok()
    });
    announced.collect()
}

/// The init's peak memory until the switch, in KiB, by its own report.
fn memory_kib(facts: &Facts) -> Result<u64> {
    let report = facts.report()?;
    let kib = report.get("memory_kib").and_then(serde_json::Value::as_u64);
    kib.context("memory_kib in the report")
}

/// A machine that cannot reach its server.
struct Deaf {
    lan: Lan,
    _root: TinyRoot,
    _server: NetrootServe,
    command_line: String,
    vm: Vm,
    /// The length of the console's output at the end of the outage.
    said: usize,
}

impl Deaf {
    fn start(name: &str, addressing: &str) -> Result<Self> {
        let lan = Lan::new(name)?;
        let root = TinyRoot::make()?;
        let server = lan.serve(root.path(), &[])?;
        lan.net.lose(&lan.tap.0, Loss::ALL)?;
        let command_line = format!("{} {addressing} ro", own_export(root.path())?);
        let vm = lan.boot(&command_line)?;
        Ok(Self {
            lan,
            _root: root,
            _server: server,
            command_line,
            vm,
            said: 0,
        })
    }

    /// Ends the outage, after checking the output so far.
    fn end_outage(&mut self) -> Result<()> {
        let said = self.vm.console().text();
        let pauses = pauses(&said);
        ensure!(pauses.len() >= 3, "{said}");
        ensure!(pauses.is_sorted(), "{pauses:?}");
        ensure!(
            pauses.iter().all(|pause| *pause <= LONGEST_PAUSE),
            "{pauses:?}"
        );
        let lines = said.lines().filter(|line| line.starts_with("netroot: "));
        // A failure prints a handful of lines, at growing intervals.
        ensure!(lines.count() < 120, "{said}");
        self.said = said.len();
        self.lan.net.mend(&self.lan.tap.0)
    }

    fn boots(&self) -> Result<()> {
        let facts = Facts::of(&self.vm)?;
        facts.assert_read_only_nfs();
        // Only the attempt in progress may fail.
        let since = after(self.vm.console(), self.said);
        ensure!(
            since.matches("netroot: boot failed: ").count() <= 1,
            "{since}"
        );

        // One without an outage, for comparison.
        let tap = self.lan.net.tap("other", &self.lan.bridge)?;
        let machine = VmBuilder::new(&self.lan.net, "other").nic(Nic::virtio(&tap, MACHINE));
        let other = Facts::of(&self.lan.boot_with(machine, &self.command_line)?)?;
        let (waited, at_once) = (memory_kib(&facts)?, memory_kib(&other)?);
        println!("the init's memory: {waited} KiB after the outage, {at_once} KiB without");
        ensure!(waited < at_once + 1024, "{waited} KiB, {at_once} KiB");
        Ok(())
    }
}

#[test]
#[ignore = "takes ten minutes"]
fn machines_that_boot_into_ten_minutes_of_silence_wait_and_come_up() -> Result<()> {
    let mut deaf = [
        Deaf::start("outage-at-boot", STATIC)?,
        Deaf::start("outage-at-boot-dhcp", "ip=dhcp")?,
    ];
    for machine in &deaf {
        let fails = "netroot: boot failed: ";
        machine.vm.wait_for(fails, "a first failure", TIMEOUT)?;
    }
    std::thread::sleep(OUTAGE);
    for machine in &mut deaf {
        machine.end_outage()?;
    }
    for machine in &deaf {
        machine.boots()?;
    }
    Ok(())
}
