//! Network managers that start in the real root, on the NIC that the root is on.
//!
//! Each root is Debian with one of them switched on, as an administrator would have it.

mod moved_lease;
mod one_lease;
mod three_leases;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use netroot_harness::Vm;

use crate::lan::{Lan, write};

/// Says on the console what it is given, line by line, through the kernel's log: the login prompt hangs up whoever
/// writes to the terminal when it begins, and what was written is lost. With
/// `printk_devkmsg`, the kernel drops none of it for coming quickly.
const TELL: &str = r#"echo on > /proc/sys/kernel/printk_devkmsg
tell() { sed 's/^/<1>watch: /' | while IFS= read -r line; do echo "$line" > /dev/kmsg; done; }
"#;

const UNIT: &str = "[Unit]
After=getty.target
[Service]
ExecStart=/bin/sh /etc/netroot-watch
[Install]
WantedBy=multi-user.target
";

/// A network manager as a root has it.
#[derive(Debug)]
struct Manager {
    name: &'static str,
    /// Its services, which are switched on; those of the others are masked.
    services: &'static [&'static str],
    /// Its configuration, if it wants any.
    file: Option<(&'static str, &'static str)>,
}

static NETWORKD: Manager = Manager {
    name: "networkd",
    services: &[
        "systemd-networkd.service",
        "systemd-networkd-wait-online.service",
    ],
    // What half the world's guides say. By itself it would drop the address at the start.
    file: Some((
        "etc/systemd/network/20-wired.network",
        "[Match]\nName=e*\n[Network]\nDHCP=yes\n",
    )),
};

static NETWORK_MANAGER: Manager = Manager {
    name: "network-manager",
    services: &["NetworkManager.service"],
    file: None,
};

static IFUPDOWN: Manager = Manager {
    name: "ifupdown",
    services: &["networking.service"],
    file: Some((
        "etc/network/interfaces",
        "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n",
    )),
};

static DHCPCD: Manager = Manager {
    name: "dhcpcd",
    services: &["dhcpcd.service"],
    // Debian's own configuration: an identity made of a time and a MAC.
    file: None,
};

static MANAGERS: [&Manager; 4] = [&NETWORKD, &NETWORK_MANAGER, &IFUPDOWN, &DHCPCD];

/// A Debian root with a manager switched on, and a script that tells how it goes.
struct Root {
    /// Where it is, in the wire's own mount namespace: it goes with the network.
    path: PathBuf,
}

impl Root {
    /// `script` is run once there is a login prompt; it has `tell`.
    fn make(lan: &Lan, manager: &Manager, script: &str) -> Result<Self> {
        // Among the logs, which the next run removes: a test that is killed leaves nothing elsewhere.
        let layer = lan.net.logs().join("layer");
        fill(&layer, manager, script)?;
        let path = lan.debian_root_below(&layer)?;
        Ok(Self { path })
    }
}

/// Writes the files that make the Debian root this manager's.
fn fill(folder: &Path, manager: &Manager, script: &str) -> Result<()> {
    let write = |path: &str, text: &str| write(&folder.join(path), text);
    let link = |target: &str, path: &str| link(target, &folder.join(path));
    write("etc/witness", "the root's own words\n")?;
    write("etc/netroot-watch", &format!("#!/bin/sh\n{TELL}{script}"))?;
    write("etc/systemd/system/netroot-watch.service", UNIT)?;
    let wanted = "etc/systemd/system/multi-user.target.wants";
    link(
        "../netroot-watch.service",
        &format!("{wanted}/netroot-watch.service"),
    )?;
    for other in MANAGERS {
        for service in other.services {
            if other.name == manager.name {
                let unit = format!("/lib/systemd/system/{service}");
                link(&unit, &format!("{wanted}/{service}"))?;
            } else {
                link("/dev/null", &format!("etc/systemd/system/{service}"))?;
            }
        }
    }
    if let Some((path, text)) = manager.file {
        write(path, text)?;
    }
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::os::unix::fs::symlink(target, path).with_context(|| format!("link {}", path.display()))
}

/// What the machine's script said so far, line by line.
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
