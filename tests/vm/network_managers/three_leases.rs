//! The root outlives its lease under every network manager.
//!
//! Machines boot to the login prompt and stay up for more than three lease times, with the server down for longer
//! than a lease: longer than a client may keep its address without a renewal. The test counts the renewals that the
//! servers logged before and after the outage. It asserts no durations.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Event, NetrootServe, Nic, Vm};

use super::{MANAGERS, Manager, Root};
use crate::lan::{Lan, MACHINE, SERVER, TIMEOUT, own_export};

/// The shortest lease time that the server grants. Clients renew after half of it.
const LEASE: Duration = Duration::from_secs(60);
/// How many leases or renewals to wait for before the outage, and after it.
const RENEWALS_BEFORE: usize = 2;
const RENEWALS_AFTER: usize = 3;
/// How long the kernel's NFS client may take to reconnect.
const RECONNECTING: Duration = Duration::from_secs(600);

/// The test listens on this port once the machine may power off.
const END_PORT: u16 = 7777;

/// Logs the machine's state twice a minute, after dropping the page cache, so that a lost root shows: more often, it would
/// cost an emulated machine more than its boot did. Powers the machine off once the test listens, which it asks more often.
const WATCH: &str = r#"
look=0
until (exec 3<>/dev/tcp/10.77.0.1/7777) 2> /dev/null; do
    sleep 10
    look=$((look + 1))
    [ $((look % 3)) = 1 ] || continue
    echo 3 > /proc/sys/vm/drop_caches
    read -r word < /etc/witness
    address=
    while read -r _ _ _ one _; do
        address="$address$one "
    done < <(ip -4 -o addr show dev eth0)
    size=gone
    for process in /proc/[0-9]*; do
        name=
        read -r name < "$process/cmdline"
        case $name in @netroot-renew*) ;; *) continue ;; esac
        size=0
        while read -r field kib _; do
            case $field in Rss*) size=$((size + kib)) ;; esac
        done < "$process/status"
    done 2> /dev/null
    echo "root=$word address=$address renewer=$size" | tell
done
dmesg | sed -n 's/.*netroot: /log: /p' | tell
{ networkctl status eth0 --no-pager; ip -4 route show; } 2>&1 | sed 's/^/state: /' | tell
echo end | tell
systemctl poweroff
"#;

/// A machine, its network and its server.
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

    /// Waits until the running server has granted `more` leases or renewals than `before`.
    fn wait_for_grants(&self, before: usize, more: usize) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let granted = self.granted();
            if granted >= before + more {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{}: {granted} leases or renewals granted, {before} of them before: {:?}",
                self.manager.name,
                self.vm.console().text()
            );
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// How many leases and renewals the running server has logged.
    fn granted(&self) -> usize {
        let events = self.server.as_ref().map(NetrootServe::events);
        let events = events.unwrap_or_default();
        events.iter().filter(|(_, event)| is_grant(event)).count()
    }

    /// Checks that the machine still reads its root, and lets it power off as long as what it returns is there.
    fn reads_on(&self) -> Result<TcpListener> {
        let said = self.vm.console().text().len();
        self.vm
            .console()
            .wait_after(said, "watch: root=", "a look at the root", RECONNECTING)?;
        let listen = || Ok(TcpListener::bind((SERVER, END_PORT))?);
        self.lan.net.within(listen)
    }

    /// Waits until it has powered itself off, and checks its log.
    fn check(&mut self) -> Result<()> {
        self.vm
            .wait_for("watch: end", "the machine's own end", RECONNECTING)?;
        let name = self.manager.name;
        let address = super::address(&self.vm)?;
        let words = super::words(&self.vm);
        let readings: Vec<&String> = words.iter().filter(|w| w.starts_with("root=")).collect();
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
            ensure!(
                (1..=1024).contains(&kib),
                "{name}: the renewer takes {kib} KiB"
            );
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

    /// Either networkd or the renewer keeps the lease; under networkd, the renewer may have done so during the outage.
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

fn is_grant(event: &Event) -> bool {
    event.kind == "dhcp-ack"
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
    let granted: Vec<usize> = machines.iter().map(Machine::granted).collect();
    std::thread::sleep(LEASE);
    for (machine, before) in machines.iter().zip(granted) {
        machine.wait_for_grants(before, RENEWALS_BEFORE)?;
    }
    for machine in &mut machines {
        if let Some(mut server) = machine.server.take() {
            ensure!(server.terminate()?.status.success());
        }
    }
    // No server for longer than the lease time: all leases expire.
    std::thread::sleep(LEASE + LEASE / 4);
    for machine in &mut machines {
        machine.server = Some(serve(&machine.lan, &machine.root.path)?);
    }
    std::thread::sleep(LEASE);
    for machine in &machines {
        machine.wait_for_grants(0, RENEWALS_AFTER)?;
    }
    let ends = machines.iter().map(Machine::reads_on);
    let _ends: Vec<TcpListener> = ends.collect::<Result<_>>()?;
    for machine in &mut machines {
        machine.check()?;
    }
    Ok(())
}
