//! The root outlives its lease under every network manager.
//!
//! Machines boot to the login prompt and stay up for more than three lease times, with the server gone for longer
//! than one of them: longer than what a client may keep its address without an answer.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{NetrootServe, Nic, Vm};

use super::{MANAGERS, Manager, Root};
use crate::lan::{Lan, MACHINE, TIMEOUT, own_export};

/// The shortest that the server lends: three of them are to pass.
const LEASE: Duration = Duration::from_secs(60);

/// Says every ten seconds how the machine is; the page cache is emptied before, so that a root that is gone cannot
/// hide. It ends the machine when its time has come.
const WATCH: &str = r#"
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
{ networkctl status eth0 --no-pager; ip -4 route show; } 2>&1 | sed 's/^/state: /' | tell
echo end | tell
systemctl poweroff
"#;

/// A machine with its wire and its server.
struct Machine {
    manager: &'static Manager,
    lan: Lan,
    root: Root,
    server: Option<NetrootServe>,
    vm: Vm,
}

impl Machine {
    fn start(manager: &'static Manager) -> Result<Self> {
        let lan = Lan::new(&format!("managed-by-{}", manager.name))?;
        let root = Root::make(&lan, manager, WATCH)?;
        let server = serve(&lan, &root.path)?;
        let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
        let command_line = format!("{} ip=dhcp rd.overlay", own_export(&root.path)?);
        let vm = lan.boot_with(machine, &command_line)?;
        Ok(Self {
            manager,
            lan,
            root,
            server: Some(server),
            vm,
        })
    }

    fn check(&mut self) -> Result<()> {
        self.vm
            .wait_for("watch: end", "the machine's own end", TIMEOUT)?;
        let name = self.manager.name;
        let address = super::address(&self.vm)?;
        let words = super::words(&self.vm);
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
                reading.contains(&format!("address={address}/24  ")),
                "{name}: {reading}"
            );
            let size = reading.rsplit_once("renewer=").map_or("", |(_, size)| size);
            let kib: u32 = size.parse().with_context(|| format!("{name}: {reading}"))?;
            ensure!(kib <= 1024, "{name}: the renewer takes {kib} KiB");
        }
        self.check_log(&words.join("\n"))?;
        self.vm.wait_for(
            "netroot: the root is unmounted",
            "a clean end by /run/initramfs/shutdown",
            TIMEOUT,
        )?;
        self.vm.wait(TIMEOUT)?;
        Ok(())
    }

    /// One of the two keeps the lease. Under networkd the renewer may have done so during the outage.
    fn check_log(&self, log: &str) -> Result<()> {
        let name = self.manager.name;
        ensure!(!log.contains("it is set again"), "{name}: {log}");
        if name == "networkd" {
            ensure!(log.contains("State: routable (configured)"), "{log}");
            ensure!(log.contains("systemd-networkd has the lease now"), "{log}");
        } else {
            ensure!(!log.contains("has the lease now"), "{name}: {log}");
            let renewed = log.matches("renewed for 60 s").count();
            ensure!(renewed >= 3, "{name}: {renewed} renewals: {log}");
        }
        Ok(())
    }
}

fn serve(lan: &Lan, root: &Path) -> Result<NetrootServe> {
    lan.serve(root, &["--lease-time", "60"])
}

#[test]
#[ignore = "five minutes of waiting: cargo xtask test --long"]
fn the_root_outlives_three_leases_under_every_network_manager() -> Result<()> {
    let mut machines = MANAGERS
        .into_iter()
        .map(Machine::start)
        .collect::<Result<Vec<_>>>()?;
    for machine in &machines {
        machine
            .vm
            .wait_for("login:", "the login prompt", TIMEOUT)
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
        machine.server = Some(serve(&machine.lan, &machine.root.path)?);
    }
    for machine in &mut machines {
        machine.check()?;
    }
    ensure!(booted.elapsed() >= 3 * LEASE);
    Ok(())
}
