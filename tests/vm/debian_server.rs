//! The server that most sites use: Linux's own NFS server and chrony, as Debian packages them.
//!
//! It is a machine on the network, since this test's own kernel may lack NFS. Its root comes from our own export;
//! what it exports is in its memory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use netroot_harness::{NetrootServe, Nic, TinyRoot, Vm, VmBuilder};

use crate::failures::assert_fails_with;
use crate::lan::{Facts, Lan, MACHINE, TIMEOUT, own_export, write};

/// The server's address and hardware address.
const SERVER: &str = "10.77.0.60";
const SERVER_MAC: &str = "52:54:00:77:00:60";

/// The server's clock is years ahead.
const SERVER_CLOCK: &str = "2031-06-01";

/// The machine's address, and its time server.
const STATIC: &str = "ip=10.77.0.50:::255.255.255.0::eth0:off:::10.77.0.60";

/// With `fsid=0`, version 4 calls `/srv` `/`; version 3 does not.
const EXPORTS: &str = "\
/srv *(ro,fsid=0,no_subtree_check)
/srv/root *(ro,fsid=1,no_subtree_check,no_root_squash)
/mnt/others 10.99.0.0/16(ro,fsid=2,no_subtree_check)
";

/// What Debian's units start, in their order, but without systemd, which is slower.
const START: &str = r#"#!/bin/sh
set -eu
tell() { echo "<1>server: $*" > /dev/kmsg; }
trap 'tell "cannot start"; sleep 1000' EXIT
mount -t tmpfs tmpfs /srv
mount -t tmpfs tmpfs /mnt
mkdir /mnt/others
cp -a /usr/share/exported/. /srv
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /run/rpcbind /run/chrony
chown _rpc /run/rpcbind
rpcbind -w
exportfs -r
rpc.mountd
rpc.nfsd 4
chronyd -x -f /etc/chrony-served.conf
tell "ready: $(cat /proc/fs/nfsd/versions)"
while :; do sleep 1000; done
"#;

const CHRONY: &str = "local stratum 3\nallow all\n";

/// The server's machine, and the server of its own root.
struct Server {
    _vm: Vm,
    _export: NetrootServe,
}

impl Server {
    fn start(lan: &Lan) -> Result<Self> {
        let layer = lan.net.logs().join("layer");
        fill(&layer)?;
        let root = lan.debian_root_below(&layer)?;
        let export = lan.serve_beside(&root)?;
        let tap = lan.net.tap("server", &lan.bridge)?;
        let command_line = format!(
            "{} ip={SERVER}:::255.255.255.0:server:eth0:off rd.overlay init=/etc/serve",
            own_export(&root)?
        );
        let machine = VmBuilder::new(&lan.net, "server").nic(Nic::virtio(&tap, SERVER_MAC));
        let vm = lan.boot_with(machine.clock(SERVER_CLOCK), &command_line)?;
        vm.wait_for("server: ready", "the server at work", TIMEOUT)?;
        Ok(Self {
            _vm: vm,
            _export: export,
        })
    }
}

/// The files that make a Debian root a server of the tiny one.
fn fill(layer: &Path) -> Result<()> {
    write(&layer.join("etc/exports"), EXPORTS)?;
    write(&layer.join("etc/chrony-served.conf"), CHRONY)?;
    let start = layer.join("etc/serve");
    write(&start, START)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&start, mode)?;
    let exported = layer.join("usr/share/exported");
    let root = exported.join("root");
    for empty in ["dev", "proc", "run", "sys", "tmp", "var"] {
        std::fs::create_dir_all(root.join(empty))?;
    }
    let tiny = TinyRoot::make()?;
    let copied = Command::new("cp")
        .arg("-a")
        .args(["sbin", "etc", "home"].map(|folder| tiny.path().join(folder)))
        .arg(&root)
        .status()
        .context("start cp")?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(())
}

#[test]
fn a_root_on_linux_nfsd_boots_and_chrony_sets_the_clock() -> Result<()> {
    let lan = Lan::new("debian-server")?;
    let _server = Server::start(&lan)?;
    let boot = |nfsroot: &str| {
        let machine = lan.machine().nic(Nic::virtio(&lan.tap, MACHINE));
        let nfsroot = format!("root=/dev/nfs nfsroot={SERVER}:{nfsroot}");
        lan.boot_with(machine.clock("1990-01-01"), &format!("{nfsroot} {STATIC}"))
    };

    // Version 3, by rpcbind and rpc.mountd at an arbitrary port; the server has NFSACL, so that an overlay works
    // for every user.
    let machine = boot("/srv/root rd.overlay")?;
    let facts = Facts::of(&machine)?;
    facts.assert_overlay();
    let lower = facts.mount("/run/netroot/lower");
    assert!(lower.contains(",vers=3,"), "{lower}");
    assert!(facts.all("user").contains("makes succeeded"));
    let seconds: u64 = facts.all("clock").parse()?;
    assert_eq!(1970 + seconds / 31_556_952, 2031, "the server's year");
    drop(machine);

    // Version 4, by its path there.
    let machine = boot("/root,vers=4.2 ro")?;
    let facts = Facts::of(&machine)?;
    let mount = facts.mount("/");
    assert!(mount.contains(",vers=4.2,"), "{mount}");
    assert_eq!(facts.all("witness"), "the root's own words");
    assert!(facts.all("owner").contains("/home/user/note 1000"));
    drop(machine);

    // And by a path that does not exist there.
    assert_fails_with(
        &mut boot("/srv/root,vers=4.2 ro")?,
        "boot failed: cannot mount the root 10.77.0.60:/srv/root: 10.77.0.60 has no /srv/root by NFS version 4: there is no srv \
         in /, only root, but there is /root; if /root is what is meant, give that",
    )?;
    assert_fails_with(
        &mut boot("/mnt/others ro")?,
        "boot failed: cannot mount the root 10.77.0.60:/mnt/others: 10.77.0.60 exports /mnt/others, but not to this machine's \
         address 10.77.0.50 (only to 10.99.0.0/16)",
    )
}
