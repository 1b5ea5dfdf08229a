//! The initrd for the network card that iPXE boots from: what scripts name, and what is in it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Net, NetrootServe, TinyRoot};

use crate::lan::{Network, TIMEOUT};
use crate::machines::posts;

/// Dropped in this order: who uses a network before the network.
struct Served {
    server: NetrootServe,
    client: Net,
    _root: TinyRoot,
    net: Net,
    mac: String,
}

impl Served {
    /// Serves a tiny root with Debian's kernel by default options, with a cache of its own.
    fn new(name: &str, more: &[&str]) -> Result<Self> {
        let Network { net, client, .. } = Network::new(name)?;
        let mac = client.shell("cat /sys/class/net/eth0/address")?;
        let mac = mac.trim().replace(':', "-");
        let root = TinyRoot::without_init()?;
        let mut arguments = vec!["--interface", "br0"];
        arguments.extend(more);
        let server = NetrootServe::start(&net, root.path(), &arguments)?;
        Ok(Self {
            server,
            client,
            _root: root,
            net,
            mac,
        })
    }

    fn get(&self, path: &str, more: &[&str]) -> Result<String> {
        let url = format!("http://10.77.0.1:8069/{path}");
        let mut argv = vec!["curl", "-sS", "--fail", "--max-time", "60"];
        argv.extend(more);
        argv.push(&url);
        self.client.run(&argv)
    }

    /// The initrd in the machine's script, as its iPXE asks for it with this bus ID.
    fn initrd(&self, bus_id: &str) -> Result<String> {
        let script = self.get(&format!("boot/{}.ipxe?busid={bus_id}", self.mac), &[])?;
        let mut words = script.split_whitespace();
        let url = words
            .find(|word| word.contains("/initrd"))
            .context("no initrd")?;
        let (_, path) = url.split_once(":8069/").context("no path")?;
        Ok(path.to_owned())
    }

    /// The same, once that for these drivers is made.
    fn initrd_for(&self, bus_id: &str, drivers: &str) -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < TIMEOUT {
            let path = self.initrd(bus_id)?;
            if path.contains(&format!("/initrd-{drivers}.img-")) {
                return Ok(path);
            }
        }
        bail!("no initrd for {drivers}: {:#?}", self.server.events())
    }

    /// The modules in an initrd, by their file names.
    fn modules(&self, path: &str) -> Result<BTreeSet<String>> {
        let file = self.net.logs().join("initrd");
        let to = file.display().to_string();
        self.get(path, &["-o", &to])?;
        let archive = zstd::decode_all(fs::File::open(&file)?)?;
        let names = archive.split(|byte| *byte == 0);
        let names = names.filter_map(|name| str::from_utf8(name).ok());
        // The header of an entry precedes its name.
        let names = names.filter_map(|name| name.split_once("lib/modules/"));
        let modules = names.filter_map(|(_, path)| path.rsplit('/').next()?.strip_suffix(".ko"));
        Ok(modules.map(str::to_owned).collect())
    }
}

#[test]
fn each_card_gets_its_drivers_and_what_is_not_known_gets_all() -> Result<()> {
    let served = Served::new("nic-initrd", &[])?;
    let cards = [
        ("01-80-86-10-d3", "e1000e", &["e1000e"][..]),
        ("01:10:ec:81:68", "r8169", &["r8169", "realtek", "libphy"]),
        (
            "011af41041",
            "virtio_net-virtio_pci",
            &["virtio_net", "virtio_pci"],
        ),
    ];
    for (bus_id, drivers, modules) in cards {
        let path = served.initrd_for(bus_id, drivers)?;
        let found = served.modules(&path)?;
        for module in modules.iter().chain(&["nfs", "overlay", "sunrpc"]) {
            ensure!(found.contains(*module), "no {module} in {path}: {found:?}");
        }
        let others = cards.iter().flat_map(|(_, _, modules)| *modules);
        for other in others.filter(|other| !modules.contains(other)) {
            ensure!(!found.contains(*other), "{other} in {path}: {found:?}");
        }
        // Another card of the same drivers has nothing made.
        let same = served.initrd(bus_id)?;
        ensure!(same == path, "{same}");
    }
    // e1000e drives this one, too.
    let path = served.initrd("01-80-86-15-0c")?;
    ensure!(path.contains("/initrd-e1000e.img-"), "{path}");
    // No driver, a card on another bus, and nothing that is a bus ID.
    for bus_id in ["01-12-34-56-78", "0a-0b-da-81-53", "", "${netX/busid}"] {
        let escaped = bus_id.replace(['{', '}', '$'], "%24");
        let path = served.initrd(&escaped)?;
        let all = path.contains("/initrd.img-") || path.contains("/initrd-e1000e.img-");
        ensure!(all, "{bus_id}: {path}");
    }
    let path = served.initrd("01-12-34-56-78")?;
    ensure!(path.contains("/initrd.img-"), "{path}");
    let all = served.modules(&path)?;
    ensure!(
        all.contains("e1000e") && all.contains("virtio_net"),
        "{all:?}"
    );
    let built = |(_, event): &(_, netroot_harness::Event)| event.kind == "nic-initrd";
    let events = served.server.events();
    ensure!(events.iter().filter(|one| built(one)).count() <= cards.len());
    Ok(())
}

#[test]
fn a_bond_takes_every_driver_and_so_does_who_is_not_the_machine() -> Result<()> {
    let bonded = Served::new("nic-initrd-bond", &["--append", "bond=bond0:eth0,eth1"])?;
    for _ in 0..3 {
        let path = bonded.initrd("01-80-86-10-d3")?;
        ensure!(path.contains("/initrd.img-"), "{path}");
    }
    drop(bonded);
    let served = Served::new("nic-initrd-other", &[])?;
    served.initrd_for("01-80-86-10-d3", "e1000e")?;
    // In another machine's name.
    let other = "boot/02-00-00-00-00-99.ipxe?busid=01-80-86-10-d3";
    let script = served.get(other, &[])?;
    ensure!(script.contains("/initrd.img-"), "{script}");
    Ok(())
}

/// The report is the init's own (`machines/reports.rs`).
#[test]
fn a_machine_that_reports_a_missing_driver_gets_every_driver_from_then_on() -> Result<()> {
    let served = Served::new("nic-initrd-missing", &[])?;
    let path = served.initrd_for("01-80-86-10-d3", "e1000e")?;
    // It loads it.
    served.modules(&path)?;
    let script = format!("boot/{}.ipxe?busid=01-80-86-10-d3", served.mac);
    let script = served.get(&script, &[])?;
    let report = include_str!("../reports/no-driver.json");
    posts(&served.client, &script, report)?;
    served.server.wait_for_kind("every-nic", TIMEOUT)?;
    let path = served.initrd("01-80-86-10-d3")?;
    ensure!(path.contains("/initrd.img-"), "{path}");
    let events = served.server.events();
    let told = events.iter().find(|(_, event)| event.kind == "every-nic");
    let (_, told) = told.context("every-nic")?;
    ensure!(
        told.text
            .contains("with the one for e1000e it reports that a driver is missing"),
        "{told:?}"
    );
    Ok(())
}

/// The processes below another one.
fn descendants(process: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let children = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        Some(
            children
                .split_whitespace()
                .filter_map(|it| it.parse().ok())
                .collect::<Vec<i32>>(),
        )
    });
    let mut all: Vec<i32> = children.flatten().collect();
    for child in all.clone() {
        all.extend(descendants(child));
    }
    all
}

/// Where the helper that would have it built does nothing for a while, as on a machine with too much to do, a machine
/// boots with the initrd for every card, and nobody is told of an error; who boots later has its own.
#[test]
fn who_asks_while_its_initrd_takes_too_long_boots_with_the_one_for_every_card() -> Result<()> {
    // Nothing is kept from an earlier run.
    let cache = tempfile::tempdir()?;
    let folder = cache.path().display().to_string();
    let mut served = Served::new("nic-initrd-slow", &["--cache", &folder])?;
    let server = served.server.program().pid()?.as_raw();
    let helpers = descendants(server);
    ensure!(!helpers.is_empty(), "no helper below {server}");
    let signal = |signal: &str| -> Result<()> {
        let pids = helpers.iter().map(ToString::to_string);
        let status = Command::new("kill").arg(signal).args(pids).status()?;
        ensure!(status.success(), "kill {signal}: {status}");
        Ok(())
    };
    signal("-STOP")?;
    let path = served.initrd("01-80-86-10-d3");
    signal("-CONT")?;
    let path = path?;
    ensure!(path.contains("/initrd.img-"), "{path}");
    let all = served.modules(&path)?;
    ensure!(
        all.contains("e1000e") && all.contains("virtio_net"),
        "{all:?}"
    );
    served.initrd_for("01-80-86-10-d3", "e1000e")?;
    let events = served.server.events();
    let warned = events
        .iter()
        .find(|(_, event)| event.kind == "warning" && event.text.contains("initrd"));
    ensure!(warned.is_none(), "{warned:?}");
    Ok(())
}
