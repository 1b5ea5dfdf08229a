//! netroot's own Debian package, from `dpkg -i` to `dpkg --purge`, in a machine whose init is systemd.
//!
//! That machine has two NICs: its own root comes by the first, and it serves the second, from which another machine
//! boots by its firmware's PXE.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{Firmware, Nic, TinyRoot, Vm, VmBuilder, paths};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT, own_export, write};

/// The server's NICs: on the network of its own root, and on the one that it serves.
const SERVER: [&str; 2] = ["52:54:00:77:00:70", "52:54:00:77:00:71"];

/// Runs once systemd is up. What it `tell`s goes through the kernel's log, whose lines reach the console whole.
const SCRIPT: &str = r#"#!/bin/sh
echo on > /proc/sys/kernel/printk_devkmsg
tell() { sed "s/^/<1>installed: $1 /" | while IFS= read -r line; do echo "$line" > /dev/kmsg; done; }
attempt() {
    name=$1; shift
    "$@" > /run/attempt 2>&1 < /dev/null
    echo "$?" | tell "$name-status"
    tell "$name" < /run/attempt
}
log() { journalctl -u netroot -o cat --no-pager; }

mount -t tmpfs tmpfs /srv
cp -a /usr/share/tiny /srv/tiny
ip addr add 10.78.0.1/24 dev eth1
ip link set eth1 up

attempt install dpkg -i /root/server.deb
dpkg -L netroot | sort > /run/files
attempt active-before systemctl is-active netroot
attempt enabled-before systemctl is-enabled netroot
attempt start-without-root systemctl start netroot
log | tell log-without-root

sed -i -e 's|^ROOT=.*|ROOT=/srv/tiny|' -e "s|^OPTIONS=.*|OPTIONS=\"--interface eth1 \
--dhcp 10.78.0.100-10.78.0.199 --modules virtio_net --append 'console=ttyS0 mitigations=off no_timer_check'\"|" \
    /etc/netroot/netroot.conf
attempt start systemctl enable --now netroot
log | tail -n 20 | tell log-start
attempt active systemctl is-active netroot
attempt enabled systemctl is-enabled netroot
process=$(systemctl show -P MainPID netroot)
tell process < /proc/$process/status
id -u netroot | tell user
stat -c '%U %a %n' /var/lib/netroot /var/cache/netroot | tell folder
systemd-analyze security --no-pager --threshold=20 netroot.service > /run/security
echo $? | tell security-status
tail -n 1 /run/security | tell security
echo | tell serving

# The other machine has booted.
read -r line < /dev/ttyS0
log | tell log
attempt upgrade dpkg -i /root/server.deb
attempt active-after-upgrade systemctl is-active netroot

attempt remove dpkg --remove netroot
attempt active-after-remove systemctl is-active netroot
ls /etc/netroot/netroot.conf /var/lib/netroot /usr/bin/netroot 2>/dev/null | tell after-remove
attempt purge dpkg --purge netroot
while IFS= read -r file; do
    if [ -f "$file" ] || [ -L "$file" ]; then echo "$file"; fi
done < /run/files | tell left
find /etc /var /usr/lib/systemd -name '*netroot*' | tell left
ls -d /etc/netroot 2>/dev/null | tell left
echo | tell purged
"#;

const UNIT: &str = "[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh /etc/install
[Install]
WantedBy=multi-user.target
";

/// What the script told, `(kind, line)`.
struct Told(Vec<(String, String)>);

impl Told {
    fn by(vm: &Vm) -> Self {
        let text = vm.console().text();
        let told = text
            .lines()
            .filter_map(|line| line.split_once("installed: "))
            .map(|(_, told)| told.split_once(' ').unwrap_or((told, "")))
            .map(|(kind, line)| (kind.trim().to_owned(), line.trim().to_owned()));
        Self(told.collect())
    }

    fn all(&self, kind: &str) -> String {
        let of_kind = self.0.iter().filter(|(told, _)| told == kind);
        let lines: Vec<&str> = of_kind.map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    }

    /// A command succeeded.
    fn assert_done(&self, name: &str) {
        let status = self.all(&format!("{name}-status"));
        assert_eq!(status, "0", "{name}: {}", self.all(name));
    }

    /// A field of the server's `/proc/PID/status`.
    fn process(&self, field: &str) -> String {
        let status = self.all("process");
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        value.unwrap_or_default().trim().to_owned()
    }
}

/// The package, what it is to serve, and the loader, whose package needs no test.
fn fill(layer: &Path) -> Result<()> {
    write(&layer.join("etc/install"), SCRIPT)?;
    write(&layer.join("etc/systemd/system/install.service"), UNIT)?;
    link(
        "../install.service",
        &layer.join("etc/systemd/system/multi-user.target.wants/install.service"),
    )?;
    // The script reads this line itself.
    link(
        "/dev/null",
        &layer.join("etc/systemd/system/serial-getty@ttyS0.service"),
    )?;
    copy(&paths::package()?, &layer.join("root/server.deb"))?;
    copy(
        Path::new("/usr/lib/ipxe/snponly.efi"),
        &layer.join("usr/lib/ipxe/snponly.efi"),
    )?;
    served_root(&layer.join("usr/share/tiny"))
}

/// A tiny root with only the modules that its initrd gets: the server's machine has it in its memory.
pub(crate) fn served_root(root: &Path) -> Result<()> {
    let tiny = TinyRoot::make()?;
    for empty in ["dev", "proc", "run", "sys", "tmp", "var"] {
        std::fs::create_dir_all(root.join(empty))?;
    }
    let copied = Command::new("cp")
        .arg("-a")
        .args(["sbin", "etc", "home", "boot", "lib"].map(|name| tiny.path().join(name)))
        .arg(root)
        .status()
        .context("start cp")?;
    ensure!(copied.success(), "cp: {copied}");
    // Only root may read it: the server must be able to without being root.
    let witness = root.join("etc/witness");
    std::fs::set_permissions(
        &witness,
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )?;
    let (version, _) = paths::debian_kernel()?;
    let modules = Path::new("usr/lib/modules").join(version);
    let (from, to) = (tiny.path().join(&modules), root.join(&modules));
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    let names = modules_of_an_initrd(tiny.path())?;
    let listed = std::fs::read_to_string(from.join("modules.order"))?;
    for path in listed.lines() {
        let name = Path::new(path).file_stem().context("a module's name")?;
        if names.contains(&name.to_string_lossy().replace('-', "_")) {
            copy(&from.join(path), &to.join(path))?;
        }
    }
    Ok(())
}

/// What `netroot initrd` puts into an initrd for a virtio NIC.
fn modules_of_an_initrd(root: &Path) -> Result<BTreeSet<String>> {
    let done = Command::new(paths::netroot()?)
        .args(["initrd", "--modules", "virtio_net", "--verbose"])
        .args(["-o", "/dev/null", "--root"])
        .arg(root)
        .output()
        .context("start netroot initrd")?;
    let summary = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(done.status.success(), "netroot initrd: {summary}");
    let names = summary
        .lines()
        .filter_map(|line| line.trim().strip_prefix("module "));
    Ok(names.map(str::to_owned).collect())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("a directory")?)?;
    std::fs::copy(from, to)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a directory")?)?;
    std::os::unix::fs::symlink(target, path).with_context(|| format!("link {}", path.display()))
}

#[test]
fn the_package_installs_serves_confined_and_leaves_nothing() -> Result<()> {
    let lan = Lan::new("installed")?;
    let served = lan.net.plain_bridge("br1")?;
    let layer = lan.net.logs().join("layer");
    fill(&layer)?;
    let root = lan.layers(&[&layer, &paths::debian_root()])?;
    let _export = lan.serve_beside(&root)?;
    let taps = [
        lan.net.tap("server0", &lan.bridge)?,
        lan.net.tap("server1", &served)?,
    ];
    let command_line = format!(
        "{} ip=10.77.0.70:::255.255.255.0:server:eth0:off rd.overlay net.ifnames=0",
        own_export(&root)?
    );
    let machine = VmBuilder::new(&lan.net, "server")
        .memory_mib(768)
        .nic(Nic::virtio(&taps[0], SERVER[0]))
        .nic(Nic::virtio(&taps[1], SERVER[1]));
    let mut server = lan.boot_with(machine, &command_line)?;
    server.wait_for("installed: serving", "the installed server", TIMEOUT)?;

    let told = Told::by(&server);
    // It neither starts nor is enabled before it knows its root, and says what to do.
    told.assert_done("install");
    let hint = "Set ROOT in /etc/netroot/netroot.conf";
    assert!(
        told.all("install").contains(hint),
        "{}",
        told.all("install")
    );
    assert_eq!(told.all("active-before"), "inactive");
    assert_eq!(told.all("enabled-before"), "disabled");
    assert_eq!(told.all("start-without-root-status"), "1");
    let log = told.all("log-without-root");
    assert!(log.contains("ROOT is not set: set it in"), "{log}");
    let log = told.all("log-start");
    assert_eq!(told.all("active"), "active", "{log}");
    told.assert_done("start");
    assert_eq!(told.all("enabled"), "enabled");
    // What it may do: read files, as a user without rights, and no more.
    let user = told.all("user");
    assert_ne!(user, "0");
    assert_eq!(told.process("Uid:"), [&*user; 4].join("\t"));
    assert_eq!(told.process("NoNewPrivs:"), "1");
    assert_eq!(told.process("Seccomp:"), "2", "a filter");
    let dac_read_search = format!("{:016x}", 1_u64 << 2);
    for set in ["CapEff:", "CapPrm:"] {
        assert_eq!(told.process(set), dac_read_search, "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(told.process(set), format!("{:016x}", 0), "{set}");
    }
    assert_eq!(
        told.all("folder"),
        "netroot 750 /var/lib/netroot\nnetroot 750 /var/cache/netroot"
    );
    // `systemd-analyze security`: at most 2.0.
    told.assert_done("security");
    println!(
        "{}",
        told.all("security").lines().last().unwrap_or_default()
    );

    let tap = lan.net.tap("second", &served)?;
    let second = lan
        .machine()
        .firmware(Firmware::Uefi)
        .nic(Nic::virtio(&tap, MACHINE))
        .start()?;
    Facts::of(&second)?.assert_overlay();
    drop(second);

    server.type_in("\n")?;
    server.wait_for("installed: purged", "the end of the package", TIMEOUT)?;
    let told = Told::by(&server);
    let log = told.all("log");
    for step in ["TFTP snponly.efi", "vmlinuz", "root mounted"] {
        assert!(log.contains(step), "no {step} in the journal:\n{log}");
    }
    told.assert_done("upgrade");
    assert_eq!(told.all("active-after-upgrade"), "active");
    told.assert_done("remove");
    assert_eq!(told.all("active-after-remove"), "inactive");
    assert_eq!(
        told.all("after-remove").lines().next(),
        Some("/etc/netroot/netroot.conf"),
        "the configuration survives removing"
    );
    assert!(!told.all("after-remove").contains("/usr/bin/netroot"));
    told.assert_done("purge");
    assert_eq!(told.all("left"), "", "left behind");
    Ok(())
}
