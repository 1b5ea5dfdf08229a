//! The boot server on an aarch64 machine: the program of the package for arm64, under Debian's arm64 kernel.
//!
//! That machine has two NICs: its own root comes by the first, and it serves the second. What it serves is a root for `x86_64`,
//! which a machine boots whose processor QEMU emulates less slowly; so the init that it hands out is not one for its own.
//! `cargo xtask test --aarch64-server` builds the package and runs this; no other run has it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{
    Bridge, Firmware, Net, NetrootServe, Nic, Processor, QUICK_KERNEL_PARAMETERS, Rom, Vm,
    VmBuilder, paths,
};

use crate::installed::served_root;
use crate::lan::{Facts, Lan, MACHINE, TIMEOUT, make_initrd_of, own_export, write};

const ARM: Processor = Processor::Aarch64;

/// The server's NICs: on the network of its own root, and on the one that it serves.
const OWN_NIC: &str = "52:54:00:77:00:70";
const SERVING_NIC: &str = "52:54:00:77:00:71";
/// Its address on the latter.
const SERVER: &str = "10.78.0.1";

/// The init of the server's machine. What it tells goes through the kernel's log, whose lines reach the console whole.
const INIT: &str = r#"#!/bin/sh
set -eu
echo on > /proc/sys/kernel/printk_devkmsg
tell() { sed -u "s/^/<1>server: $1 /" | while IFS= read -r line; do echo "$line" > /dev/kmsg; done; }
trap 'echo | tell "cannot start"; sleep 1000' EXIT
mount -t tmpfs tmpfs /srv
cp -a /usr/share/tiny /srv/tiny
ip addr add 10.78.0.1/24 dev eth1
ip link set eth1 up
uname -m | tell machine
mkfifo /run/log
tell log < /run/log &
netroot serve /srv/tiny --interface eth1 --dhcp 10.78.0.100-10.78.0.199 --modules virtio_net --state /run/state \
    --cache /run/cache --append "APPEND" > /run/log 2>&1 &
server=$!
while ! grep -q "^Seccomp:.2" /proc/$server/status; do kill -0 $server; sleep 1; done
tell process < /proc/$server/status
wait $server
"#;

/// A server on such a machine, and what its root comes from.
struct Server {
    vm: Vm,
    _export: NetrootServe,
}

impl Server {
    fn start(lan: &Lan, served: &Bridge) -> Result<Self> {
        let layer = lan.net.logs().join("layer");
        let package = paths::package_for(ARM)?;
        let unpacked = Command::new("dpkg-deb")
            .arg("-x")
            .args([&package, &layer])
            .status()
            .context("start dpkg-deb")?;
        ensure!(unpacked.success(), "dpkg-deb: {unpacked}");
        let init = layer.join("etc/serve");
        write(&init, &INIT.replace("APPEND", QUICK_KERNEL_PARAMETERS))?;
        std::fs::set_permissions(&init, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        served_root(&layer.join("usr/share/tiny"))?;

        let arm64 = paths::debian_root_for(ARM);
        let root = lan.layers(&[&layer, &arm64])?;
        let initrd = make_initrd_of(&arm64, "aarch64-server", "virtio_net")?;
        let given = initrd.display().to_string();
        let arguments = ["--interface", "br0", "--initrd", &given];
        let export = NetrootServe::start(&lan.net, &root, &arguments)?;
        let (_, kernel) = paths::debian_kernel_for(ARM)?;
        let own = lan.net.tap("server0", &lan.bridge)?;
        let serving = lan.net.tap("server1", served)?;
        let command_line = format!(
            "{} ip=10.77.0.70:::255.255.255.0:server:eth0:off rd.overlay init=/etc/serve",
            own_export(&root)?
        );
        let vm = VmBuilder::new(&lan.net, "server")
            .processor(ARM)
            .firmware(Firmware::Uefi)
            .memory_mib(1024)
            .nic(Nic::virtio(&own, OWN_NIC))
            .nic(Nic::virtio(&serving, SERVING_NIC))
            .kernel(&kernel, &initrd, &command_line)
            .start()?;
        Ok(Self {
            vm,
            _export: export,
        })
    }

    /// A field of the server's `/proc/PID/status`.
    fn process(&self, field: &str) -> String {
        let text = self.vm.console().text();
        let value = text
            .lines()
            .filter_map(|line| line.split_once("server: process "))
            .find_map(|(_, line)| line.strip_prefix(field));
        value.unwrap_or_default().trim().to_owned()
    }
}

/// A file as another host of the served network gets it by this shell command, which writes `/run/fetched`.
fn fetched(client: &Net, command: &str) -> Result<Vec<u8>> {
    client
        .shell(&format!("rm -f /run/fetched; {command}"))
        .with_context(|| command.to_owned())?;
    Ok(std::fs::read(client.path("/run/fetched"))?)
}

#[test]
fn a_server_on_aarch64_is_confined_serves_every_protocol_and_boots_a_machine() -> Result<()> {
    let lan = Lan::new("aarch64-server")?;
    let served = lan.net.plain_bridge("br1")?;
    let server = Server::start(&lan, &served)?;
    server.vm.wait_for(
        "server: process Seccomp:",
        "the confined server",
        TIMEOUT * 2,
    )?;
    server
        .vm
        .wait_for("ready", "the server's readiness", TIMEOUT)?;
    let console = server.vm.console().text();
    assert!(console.contains("server: machine aarch64"), "{console}");
    assert_eq!(server.process("Seccomp:"), "2");
    assert_eq!(server.process("NoNewPrivs:"), "1");
    let dac_read_search = format!("{:016x}", 1_u64 << 2);
    assert_eq!(server.process("CapEff:"), dac_read_search);
    let user = server.process("Uid:");
    assert!(!user.is_empty() && !user.starts_with("0\t"), "{user}");
    // Neither Landlock nor seccomp is missing.
    assert!(!console.contains("this kernel has no"), "{console}");

    let client = Net::new("aarch64-server-client")?;
    lan.net.cable(&served, &client, "eth0", "10.78.0.250/24")?;
    let (_, kernel) = paths::debian_kernel()?;
    let kernel = std::fs::read(kernel)?;
    let by_http = format!("curl -sS --fail -o /run/fetched http://{SERVER}:8069/vmlinuz");
    assert!(
        fetched(&client, &by_http)? == kernel,
        "another kernel by HTTP"
    );
    let by_tftp = format!("atftp --get -r vmlinuz -l /run/fetched {SERVER}");
    assert!(
        fetched(&client, &by_tftp)? == kernel,
        "another kernel by TFTP"
    );
    let by_nfs = format!(
        "nfs-cat 'nfs://{SERVER}/tiny/etc/witness?nfsport=2049&mountport=2049' > /run/fetched"
    );
    assert_eq!(fetched(&client, &by_nfs)?, b"the root's own words\n");

    let tap = lan.net.tap("machine1", &served)?;
    let nic = Nic::virtio(&tap, MACHINE).with_rom(Rom::Ipxe);
    let machine = lan.machine().nic(nic).start()?;
    let facts = Facts::of(&machine)?;
    facts.assert_overlay();
    assert_eq!(facts.all("witness"), "the root's own words");
    server
        .vm
        .wait_for(&format!("{MACHINE} root mounted"), "its report", TIMEOUT)?;
    Ok(())
}

#[test]
fn the_program_of_the_package_is_for_aarch64() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let unpacked = Command::new("dpkg-deb")
        .arg("-x")
        .args([paths::package_for(ARM)?.as_path(), folder.path()])
        .status()?;
    ensure!(unpacked.success(), "dpkg-deb: {unpacked}");
    let program = std::fs::read(folder.path().join("usr/bin/netroot"))?;
    // `e_machine` of ELF: EM_AARCH64.
    assert_eq!(program.get(18..20), Some(&[183, 0][..]));
    let fields = Command::new("dpkg-deb")
        .args(["--field"])
        .arg(paths::package_for(ARM)?)
        .args(["Architecture", "Depends"])
        .output()?;
    let fields = String::from_utf8_lossy(&fields.stdout).into_owned();
    assert!(fields.contains("Architecture: arm64"), "{fields}");
    assert!(fields.contains("libc6 (>= "), "{fields}");
    Ok(())
}
