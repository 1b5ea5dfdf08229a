//! Our export and Linux's nfsd on the same tree, call by call (`nfs_compared/compared.rs`); and what a machine sees that
//! mounts our export, file by file.
//!
//! nfsd runs in a machine, since this test's own kernel may lack NFS. The tree is on a disk of the machine.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use netroot_harness::{Net, NetrootServe, Nic, VmBuilder};

use crate::lan::{Lan, TIMEOUT, own_export, write};
use crate::nfs_compared::{ask, assert_equal, tree};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const NFSD: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 60);
const NFSD_MAC: &str = "52:54:00:77:00:60";

const EXPORTS: &str = "/mnt/root *(ro,no_subtree_check,no_root_squash)\n";

/// Debian has the groups of a caller looked up on the server, where this one's users do not exist (`nfs.conf(5)`).
const CONFIGURATION: &str = "[mountd]\nmanage-gids=n\n";

/// What Debian's units start, in their order, but without systemd, which is slower.
const START: &str = r#"#!/bin/sh
set -eu
tell() { echo "<1>server: $*" > /dev/kmsg; }
trap 'tell "cannot start"; sleep 1000' EXIT
mount -t tmpfs tmpfs /mnt
mkdir /mnt/root
modprobe -a virtio_blk ext4 nfsd
mount -o ro /dev/vda /mnt/root
mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /run/rpcbind
chown _rpc /run/rpcbind
rpcbind -w
exportfs -r
rpc.mountd
rpc.nfsd 4
tell "ready: $(cat /proc/fs/nfsd/versions)"
while :; do sleep 1000; done
"#;

/// `netroot serve` with the tree, on a machine of its own.
fn serve_tree(net: &Net, image: &str) -> Result<NetrootServe> {
    net.shell(&format!(
        "mkdir /run/root; mount -o loop,ro {image} /run/root"
    ))?;
    let initrd = net.logs().join("initrd.img");
    // Nobody boots from it.
    std::fs::write(&initrd, "an initrd")?;
    let initrd = initrd.display().to_string();
    let arguments = [
        "--interface",
        "eth1",
        "--no-probe",
        "--portmapper",
        "--initrd",
        &initrd,
    ];
    NetrootServe::start(net, Path::new("/run/root"), &arguments)
}

#[test]
fn every_answer_is_nfsds_but_for_the_differences_that_are_explained() -> Result<()> {
    let lan = Lan::new("nfs-against-nfsd")?;
    let image = lan.net.logs().join("tree.img").display().to_string();
    tree::make_image(&lan.net, &image)?;
    let other = Net::new("nfs-against-nfsd-ours")?;
    lan.net.cable(&lan.bridge, &other, "eth1", "10.77.0.2/24")?;
    let clients = Net::new("nfs-against-nfsd-clients")?;
    lan.net
        .cable(&lan.bridge, &clients, "eth2", "10.77.0.3/24")?;
    let _ours = serve_tree(&other, &image)?;

    let layer = lan.net.logs().join("layer");
    write(&layer.join("etc/exports"), EXPORTS)?;
    write(&layer.join("etc/nfs.conf"), CONFIGURATION)?;
    let start = layer.join("etc/serve");
    write(&start, START)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&start, mode)?;
    let root = lan.debian_root_below(&layer)?;
    let _boot = lan.serve_beside(&root)?;
    let tap = lan.net.tap("server", &lan.bridge)?;
    let command_line = format!(
        "{} ip={NFSD}:::255.255.255.0:server:eth0:off rd.overlay init=/etc/serve",
        own_export(&root)?
    );
    let disk = format!("-drive file={image},format=raw,if=virtio,readonly=on");
    let machine = VmBuilder::new(&lan.net, "server")
        .nic(Nic::virtio(&tap, NFSD_MAC))
        .hardware(&disk);
    let vm = lan.boot_with(machine, &command_line)?;
    vm.wait_for("server: ready", "the server at work", TIMEOUT)?;

    let ours = clients.within(|| ask(OURS, "/root"))?;
    let theirs = clients.within(|| ask(NFSD, "/mnt/root"))?;
    assert_equal("nfsd", &ours, &theirs)
}
