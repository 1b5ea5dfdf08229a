//! What changes while the server runs: its address, its interface, the root and its kernel.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use netroot_proto::dhcp::code;

use super::lab::{Answer, LINUX, Lab, SERVER, discover};
use super::row::Row;
use crate::fixture::bzimage;
use crate::support::{Client, connect, root_handle};

/// The kernel after an upgrade.
const NEWER: &str = "6.1.0-51-amd64";
const S14: (&str, &str) = (
    "S14",
    "netbootxyz/netboot.xyz#1822, xcat2/xcat-core#6014, clustervision/trinity#509",
);

const S07: (&str, &str) = ("S07", "openwrt/openwrt#9564, openwrt/openwrt#9618");

pub(super) fn rows() -> Result<Vec<Row>> {
    Ok(vec![
        Row::new(
            S07,
            "the server's address changes",
            "offers from 10.77.9.2; the script is served there",
            changed(
                "address-changes",
                "ip addr del 10.77.9.1/24 dev br0; ip addr add 10.77.9.2/24 brd + dev br0",
                "10.77.9.2",
            ),
        ),
        Row::new(
            S07,
            "the server's interface is deleted and made again",
            "offers from 10.77.9.1; the script is served there",
            changed(
                "interface-made-again",
                "ports=$(ls /sys/class/net/br0/brif); ip link del br0
                 ip link add br0 type bridge; ip addr add 10.77.9.1/24 brd + dev br0; ip link set br0 up
                 for port in $ports; do ip link set $port master br0; done",
                "10.77.9.1",
            ),
        ),
        Row::new(
            S07,
            "the server's interface goes down and up",
            "offers from 10.77.9.1; the script is served there",
            changed("down-and-up", "ip link set br0 down; ip link set br0 up", "10.77.9.1"),
        ),
        Row::new(
            S14,
            "the root's kernel is upgraded, and the old one removed",
            "6.1.0-51-amd64 is served",
            upgraded(),
        ),
        Row::new(
            S14,
            "the root is moved aside, another takes its place, and the old one is deleted",
            "6.1.0-51-amd64 is served; /sbin/init is in what machines mount",
            replaced(),
        ),
    ])
}

/// What a machine is offered after these commands, and from where.
fn changed(name: &str, commands: &str, address: &str) -> Result<String> {
    let mut lab = Lab::new(name)?;
    lab.serve(&[])?;
    lab.net.shell(commands)?;
    let discover = discover()?;
    // As firmware does, until it is answered.
    let mut from = None;
    for _ in 0..60 {
        let answer = lab.ask_for(&discover, Duration::from_secs(1));
        if let Ok(Answer::Reply(reply)) = answer {
            from = reply.message.options.address(code::SERVER_ID);
            // The first one may have been on its way.
            if from.is_some_and(|from| from.to_string() == address) {
                break;
            }
        }
    }
    let Some(from) = from else {
        return Ok("no offer".to_owned());
    };
    let url = format!("http://{from}:8069/boot.ipxe");
    let fetch = [
        "curl",
        "-sS",
        "--retry",
        "60",
        "--retry-all-errors",
        "--retry-delay",
        "1",
    ];
    let fetch = [&fetch[..], &["--max-time", "60", &url]].concat();
    let script = lab.client.run(&fetch).context("fetch the script")?;
    Ok(match script.starts_with("#!ipxe") {
        true => format!("offers from {from}; the script is served there"),
        false => format!("offers from {from}, and {script}"),
    })
}

/// Puts a kernel with its modules into a folder of the lab.
fn install(lab: &Lab, root: &str, version: &str) -> Result<()> {
    lab.file(&format!("{root}/lib/modules/{version}/modules.dep"), b"")?;
    lab.file(&format!("{root}/boot/vmlinuz-{version}"), &bzimage(version))
}

/// The version of the kernel that machines are given.
fn served(lab: &Lab) -> Result<String> {
    let url = format!("http://{SERVER}:8069/vmlinuz");
    let kernel = lab
        .client
        .run(&["sh", "-c", &format!("curl -sS --fail {url} | tr -d '\\0'")])?;
    let version = [NEWER, LINUX]
        .into_iter()
        .find(|version| kernel.contains(version));
    Ok(format!("{} is served", version.unwrap_or("neither")))
}

fn upgraded() -> Result<String> {
    let mut lab = Lab::new("kernel-upgraded")?;
    lab.serve(&[])?;
    install(&lab, "root", NEWER)?;
    let root = lab.folder.path().join("root");
    std::fs::remove_file(root.join(format!("boot/vmlinuz-{LINUX}")))?;
    std::fs::remove_dir_all(root.join(format!("lib/modules/{LINUX}")))?;
    lab.event("new-boots")?;
    served(&lab)
}

fn replaced() -> Result<String> {
    let mut lab = Lab::new("root-replaced")?;
    lab.serve(&[])?;
    install(&lab, "new", NEWER)?;
    lab.file("new/sbin/init", b"#!/bin/sh\n")?;
    let folder = lab.folder.path();
    std::fs::rename(folder.join("root"), folder.join("old"))?;
    std::fs::rename(folder.join("new"), folder.join("root"))?;
    std::fs::remove_dir_all(folder.join("old"))?;
    lab.event("root-replaced")?;
    lab.event("new-boots")?;
    let server = SocketAddr::from((SERVER, 2049));
    let init = lab.client.within(|| {
        let root = root_handle(server, "/root");
        let mut client = Client::over(connect(server), root, 0, 0, &[]);
        let folder = client.root.clone();
        let folder = client.lookup_in(&folder, b"sbin");
        let found = folder.and_then(|folder| client.lookup_in(&folder.object, b"init"));
        Ok(found.map(|_| "/sbin/init is in what machines mount".to_owned()))
    })?;
    let init = init.unwrap_or_else(|status| format!("no /sbin/init: {status:?}"));
    Ok(format!("{}; {init}", served(&lab)?))
}
