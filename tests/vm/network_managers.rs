//! Network managers in the real root, on the NIC that carries it.
//!
//! Each root is Debian with one of them enabled, as an administrator would configure it: Debian 12, and Debian 13 for
//! a later systemd (257), NetworkManager and ConnMan.

mod moved_lease;
mod one_lease;
mod three_leases;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::{TinyRoot, Vm, paths};

use crate::lan::{Lan, write};

/// `tell` prints its input on the console, line by line, through the kernel's log: the login prompt hangs up the
/// terminal when it starts, which loses output. With `printk_devkmsg`, the kernel does not rate-limit it.
///
/// The scripts start few programs: an emulated machine has to translate each anew.
const TELL: &str = r#"echo on > /proc/sys/kernel/printk_devkmsg
tell() { while IFS= read -r line; do echo "<1>watch: $line" > /dev/kmsg; done; }
"#;

const UNIT: &str = "[Unit]
After=getty.target
[Service]
ExecStart=/bin/bash /etc/netroot-watch
[Install]
WantedBy=multi-user.target
";

/// A network manager in a root.
#[derive(Debug)]
struct Manager {
    name: &'static str,
    /// Its services, which are enabled; those of the others are masked.
    services: &'static [&'static str],
    /// Its configuration file, if it needs one.
    file: Option<(&'static str, &'static str)>,
    /// Which Debian it is of.
    of: Debian,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Debian {
    Bookworm,
    Trixie,
}

static NETWORKD: Manager = Manager {
    name: "networkd",
    services: &[
        "systemd-networkd.service",
        "systemd-networkd-wait-online.service",
    ],
    // The configuration of most guides. On its own it would drop the address at the start.
    file: Some((
        "etc/systemd/network/20-wired.network",
        "[Match]\nName=e*\n[Network]\nDHCP=yes\n",
    )),
    of: Debian::Bookworm,
};

static NETWORK_MANAGER: Manager = Manager {
    name: "network-manager",
    services: &["NetworkManager.service"],
    file: None,
    of: Debian::Bookworm,
};

static IFUPDOWN: Manager = Manager {
    name: "ifupdown",
    services: &["networking.service"],
    file: Some((
        "etc/network/interfaces",
        "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n",
    )),
    of: Debian::Bookworm,
};

static DHCPCD: Manager = Manager {
    name: "dhcpcd",
    services: &["dhcpcd.service"],
    // Debian's default configuration: a DUID from a time and a MAC.
    file: None,
    of: Debian::Bookworm,
};

static NETWORKD_257: Manager = Manager {
    name: "networkd-257",
    of: Debian::Trixie,
    ..NETWORKD
};

/// As Fedora's installer configures it: with a profile for the card by its name.
static FEDORAS_NETWORK_MANAGER: Manager = Manager {
    name: "network-manager-1-52",
    services: &[
        "NetworkManager.service",
        "NetworkManager-wait-online.service",
    ],
    file: Some((
        "etc/NetworkManager/system-connections/eth0.nmconnection",
        "[connection]\nid=eth0\nuuid=5f2b7e0c-3d0a-4c1e-9a53-0a1f5b0c7d11\ntype=ethernet\nautoconnect-priority=-999\n\
         interface-name=eth0\n\n[ethernet]\n\n[ipv4]\nmethod=auto\n\n[ipv6]\naddr-gen-mode=eui64\nmethod=auto\n",
    )),
    of: Debian::Trixie,
};

static CONNMAN: Manager = Manager {
    name: "connman",
    services: &["connman.service"],
    file: None,
    of: Debian::Trixie,
};

/// Programs by which systemd looks for what these machines do not have. Each takes an emulated one a quarter of a second.
const GENERATORS: [&str; 9] = [
    "cryptsetup",
    "gpt-auto",
    "hibernate-resume",
    "integritysetup",
    "rc-local",
    "ssh",
    "system-update",
    "tpm2",
    "veritysetup",
];

/// Of the devices that there are when udev starts, only these are looked at: the cards, and the line that the login is at.
/// An emulated machine takes three seconds for all of them, each driver, module and virtual terminal one by one.
const DEVICES: &str = "[Service]
ExecStart=
ExecStart=-udevadm trigger --action=add --subsystem-match=net
ExecStart=-udevadm trigger --action=add --name-match=/dev/ttyS0
";

static MANAGERS: [&Manager; 4] = [&NETWORKD, &NETWORK_MANAGER, &IFUPDOWN, &DHCPCD];

/// A Debian root with a manager enabled, and a script that reports its state.
struct Root {
    /// Its path in the network's mount namespace.
    path: PathBuf,
    /// What the kernel of one without is from.
    _kernel: Option<TinyRoot>,
}

impl Root {
    /// `script` runs after the login prompt has started; it can use `tell`.
    fn make(lan: &Lan, manager: &Manager, script: &str) -> Result<Self> {
        // Among the logs, which the next run removes even if this test is killed.
        let layer = lan.net.logs().join("layer");
        fill(&layer, manager, script)?;
        let (path, kernel) = match manager.of {
            Debian::Bookworm => (lan.debian_root_below(&layer)?, None),
            Debian::Trixie => {
                let kernel = TinyRoot::without_init()?;
                let layers = [&layer, &paths::trixie(), kernel.path()];
                (lan.layers(&layers)?, Some(kernel))
            }
        };
        Ok(Self {
            path,
            _kernel: kernel,
        })
    }
}

/// Writes the files that enable this manager in the Debian root.
fn fill(folder: &Path, manager: &Manager, script: &str) -> Result<()> {
    let write = |path: &str, text: &str| write(&folder.join(path), text);
    let link = |target: &str, path: &str| link(target, &folder.join(path));
    write("etc/witness", "the root's own words\n")?;
    write("etc/netroot-watch", &format!("#!/bin/bash\n{TELL}{script}"))?;
    write("etc/systemd/system/netroot-watch.service", UNIT)?;
    let wanted = "etc/systemd/system/multi-user.target.wants";
    link(
        "../netroot-watch.service",
        &format!("{wanted}/netroot-watch.service"),
    )?;
    for other in MANAGERS.into_iter().chain([&CONNMAN]) {
        let others = other.services.iter();
        for service in others.filter(|service| !manager.services.contains(service)) {
            link("/dev/null", &format!("etc/systemd/system/{service}"))?;
        }
    }
    for name in GENERATORS {
        let masked = format!("etc/systemd/system-generators/systemd-{name}-generator");
        link("/dev/null", &masked)?;
    }
    write(
        "etc/systemd/system/systemd-udev-trigger.service.d/devices.conf",
        DEVICES,
    )?;
    for service in manager.services {
        let unit = format!("/lib/systemd/system/{service}");
        link(&unit, &format!("{wanted}/{service}"))?;
    }
    if let Some((path, text)) = manager.file {
        write(path, text)?;
        // NetworkManager ignores a profile that others may read.
        if path.ends_with(".nmconnection") {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(folder.join(path), mode)?;
        }
    }
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::os::unix::fs::symlink(target, path).with_context(|| format!("link {}", path.display()))
}

/// The output of the machine's script so far, line by line.
fn words(vm: &Vm) -> Vec<String> {
    let text = vm.console().text();
    text.lines()
        .filter_map(|line| Some(line.split_once("watch: ")?.1.trim().to_owned()))
        .collect()
}

/// The address that the init got, without its prefix.
fn address(vm: &Vm) -> Result<String> {
    let lease = vm.wait_for("netroot: eth0: lease ", "the lease", crate::lan::TIMEOUT)?;
    let address = lease
        .line
        .split_once("lease ")
        .and_then(|(_, rest)| rest.split('/').next());
    Ok(address.context("an address")?.to_owned())
}
