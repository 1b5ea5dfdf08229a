//! Network managers that start in the real root, on the NIC that the root is on.
//!
//! Each root is Debian with one of them switched on, as an administrator would have it. Machines boot to the login
//! prompt and stay up for more than three lease times, with the server gone for longer than one of them: longer
//! than what a client may keep its address without an answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{NetrootServe, Nic, Vm, places};

use crate::wire::{MACHINE, PATIENCE, Wire, own_export};

/// The shortest that the server lends: three of them are to pass.
const LEASE: Duration = Duration::from_secs(60);
/// How long the machines go on after their login prompt.
const LIFE: Duration = Duration::from_secs(200);

/// Says every ten seconds how the machine is; the page cache is emptied before, so that a root that is gone cannot
/// hide. It ends the machine when its time has come.
const WATCH: &str = r#"#!/bin/sh
# Opened for each line: the login prompt hangs up whoever had it open before.
tell() { sed 's/^/watch: /' > /dev/ttyS0; }
up() { read -r up rest < /proc/uptime; echo "${up%.*}"; }
end=$(($(up) + 200))
while [ "$(up)" -lt "$end" ]; do
    sleep 10
    echo 3 > /proc/sys/vm/drop_caches
    read -r word < /etc/witness
    address=$(ip -4 -o addr show dev eth0 | sed 's/.*inet \([0-9./]*\) .*/\1/' | tr '\n' ' ')
    renewer=$(grep -alz '^@netroot-renew' /proc/[0-9]*/cmdline 2>/dev/null)
    size=gone
    if [ -n "$renewer" ]; then
        size=$(awk '/^Rss/ { sum += $2 } END { print sum }' "${renewer%cmdline}status")
    fi
    echo "up=$(up) root=$word address=$address renewer=$size" | tell
done
dmesg | sed -n 's/.*netroot: /log: /p' | tell
sh /etc/netroot-state 2>&1 | sed 's/^/state: /' | tell
echo end | tell
systemctl poweroff
"#;

const WATCH_UNIT: &str = "[Unit]
After=getty.target
[Service]
ExecStart=/bin/sh /etc/netroot-watch
[Install]
WantedBy=multi-user.target
";

/// A network manager as a root has it.
struct Manager {
    name: &'static str,
    /// Its service, which is switched on; those of the others are masked.
    service: &'static str,
    /// Its configuration, if it wants any.
    file: Option<(&'static str, &'static str)>,
    /// What it says of the NIC at the end.
    state: &'static str,
}

const MANAGERS: [Manager; 3] = [
    Manager {
        name: "networkd",
        service: "systemd-networkd.service",
        // What half the world's guides say. By itself it would drop the address at the start.
        file: Some((
            "etc/systemd/network/20-wired.network",
            "[Match]\nName=e*\n[Network]\nDHCP=yes\n",
        )),
        state: "networkctl status eth0 --no-pager; journalctl -u systemd-networkd --no-pager | tail -n 20",
    },
    Manager {
        name: "network-manager",
        service: "NetworkManager.service",
        file: None,
        state: "nmcli -f GENERAL.STATE,GENERAL.CONNECTION,IP4 device show eth0; cat /etc/resolv.conf",
    },
    Manager {
        name: "ifupdown",
        service: "networking.service",
        file: Some((
            "etc/network/interfaces",
            "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n",
        )),
        state: "systemctl is-active networking; ifquery --state eth0; grep -alz dhclient /proc/[0-9]*/cmdline",
    },
];

/// A machine with its wire and its server.
struct Machine {
    manager: &'static Manager,
    wire: Wire,
    root: PathBuf,
    /// The manager's configuration, laid over the Debian root.
    _layer: tempfile::TempDir,
    server: Option<NetrootServe>,
    vm: Vm,
}

impl Machine {
    fn start(manager: &'static Manager) -> Result<Self> {
        let wire = Wire::new(&format!("managed-by-{}", manager.name))?;
        let layer = layer(manager)?;
        let root = wire.net.logs().join("root");
        std::fs::create_dir_all(&root)?;
        // In the network's own mount namespace: it goes with the network.
        let lower = [
            layer.path(),
            &places::managers_layer(),
            &places::debian_root(),
        ];
        let lower: Vec<String> = lower.iter().map(|p| p.display().to_string()).collect();
        wire.net.run(&[
            "mount",
            "-t",
            "overlay",
            "overlay",
            "-o",
            &format!("lowerdir={}", lower.join(":")),
            &root.display().to_string(),
        ])?;
        let server = serve(&wire, &root)?;
        let machine = wire.machine().nic(Nic::virtio(&wire.tap, MACHINE));
        let command_line = format!("{} ip=dhcp rd.overlay", own_export(&root)?);
        let vm = wire.boot_with(machine, &command_line)?;
        Ok(Self {
            manager,
            wire,
            root,
            _layer: layer,
            server: Some(server),
            vm,
        })
    }

    /// What it says about itself, line by line.
    fn words(&self) -> Vec<String> {
        let text = self.vm.console().text();
        text.lines()
            .filter_map(|line| Some(line.split_once("watch: ")?.1.trim().to_owned()))
            .collect()
    }

    fn check(&mut self) -> Result<()> {
        self.vm
            .wait_for("watch: end", "the machine's own end", PATIENCE)?;
        let name = self.manager.name;
        let lease = self
            .vm
            .wait_for("netroot: eth0: lease ", "the lease", PATIENCE)?;
        let address = lease
            .line
            .split_once("lease ")
            .and_then(|(_, rest)| rest.split('/').next());
        let address = address.context("an address")?;
        let words = self.words();
        let readings: Vec<&String> = words.iter().filter(|w| w.starts_with("up=")).collect();
        let up = |reading: Option<&&String>| -> Option<u64> {
            let words = reading?.strip_prefix("up=")?.split_once(' ')?;
            words.0.parse().ok()
        };
        // From the first reading to the last, with the outage between: how many there are depends on how soon the
        // kernel's NFS client tries again.
        let lasted = up(readings.last()).zip(up(readings.first()));
        let lasted = lasted.map_or(0, |(last, first)| last - first);
        ensure!(
            lasted >= 3 * LEASE.as_secs(),
            "{name}: {lasted} s: {readings:?}"
        );
        for reading in &readings {
            ensure!(
                reading.contains("root=the root's own words"),
                "{name}: {reading}"
            );
            ensure!(
                reading.contains(&format!("address={address}/24 ")),
                "{name}: {reading}"
            );
        }
        let log = words.join("\n");
        ensure!(!log.contains("it is set again"), "{name}: {log}");
        // Either the renewer keeps the lease, within a mebibyte, or who does is told.
        let last = readings.last().context("a reading")?;
        let size = last.rsplit_once("renewer=").map_or("", |(_, size)| size);
        if size == "gone" {
            ensure!(log.contains("has the lease now"), "{name}: {log}");
        } else {
            let kib: u32 = size.parse().with_context(|| format!("{name}: {last}"))?;
            ensure!(kib <= 1024, "{name}: the renewer takes {kib} KiB");
            let renewed = log.matches("renewed for 60 s").count();
            ensure!(renewed >= 3, "{name}: {renewed} renewals: {log}");
        }
        self.vm.wait_for(
            "netroot: the root is unmounted",
            "a clean end by /run/initramfs/shutdown",
            PATIENCE,
        )?;
        self.vm.wait(PATIENCE)?;
        Ok(())
    }
}

fn serve(wire: &Wire, root: &Path) -> Result<NetrootServe> {
    wire.serve(root, &["--lease-time", "60"])
}

/// The files that make the Debian root this manager's.
fn layer(manager: &Manager) -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("managed-root-")
        .tempdir_in(places::cache())
        .context("create a folder in .cache")?;
    let write = |path: &str, text: &str| -> Result<()> {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    let link = |target: &str, path: &str| -> Result<()> {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::os::unix::fs::symlink(target, &path)
            .with_context(|| format!("link {}", path.display()))
    };
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode)?;
    write("etc/witness", "the root's own words\n")?;
    write("etc/netroot-watch", WATCH)?;
    write("etc/netroot-state", manager.state)?;
    write("etc/systemd/system/netroot-watch.service", WATCH_UNIT)?;
    let wanted = "etc/systemd/system/multi-user.target.wants";
    link(
        "../netroot-watch.service",
        &format!("{wanted}/netroot-watch.service"),
    )?;
    for other in &MANAGERS {
        if other.name == manager.name {
            let (unit, service) = (
                format!("/lib/systemd/system/{}", other.service),
                other.service,
            );
            link(&unit, &format!("{wanted}/{service}"))?;
        } else {
            link(
                "/dev/null",
                &format!("etc/systemd/system/{}", other.service),
            )?;
        }
    }
    if let Some((path, text)) = manager.file {
        write(path, text)?;
    }
    Ok(folder)
}

#[test]
#[ignore = "five minutes of waiting: cargo xtask test --long"]
fn the_root_outlives_three_leases_under_every_network_manager() -> Result<()> {
    let mut machines = MANAGERS
        .iter()
        .map(Machine::start)
        .collect::<Result<Vec<_>>>()?;
    for machine in &machines {
        machine
            .vm
            .wait_for("login:", "the login prompt", PATIENCE)
            .with_context(|| machine.manager.name)?;
    }
    let booted = Instant::now();
    std::thread::sleep(LEASE);
    for machine in &mut machines {
        if let Some(mut server) = machine.server.take() {
            ensure!(server.terminate()?.status.success());
        }
    }
    // Nobody answers for more than a lease's time: all leases end.
    std::thread::sleep(LEASE + LEASE / 4);
    for machine in &mut machines {
        machine.server = Some(serve(&machine.wire, &machine.root)?);
    }
    for machine in &mut machines {
        machine.check()?;
    }
    ensure!(booted.elapsed() >= LIFE.min(3 * LEASE));
    Ok(())
}
