//! Linux's nfsd, in a virtual machine with the tree on a disk: the kernel of the tests may lack it.

use std::path::Path;

use anyhow::{Context, Result};

/// The beginning of the machine's init: the disk is mounted at `/mnt/root`, and `tell` prints a line on the console.
pub const MOUNT_DISK: &str = r#"#!/bin/sh
set -eu
tell() { echo "<1>$*" > /dev/kmsg; }
trap 'tell "cannot start"; sleep 1000' EXIT
mount -t tmpfs tmpfs /mnt
mkdir /mnt/root
modprobe -a virtio_blk ext4
mount -o ro /dev/vda /mnt/root
"#;

/// Debian has the groups of a caller looked up on the server, where this one's users do not exist (`nfs.conf(5)`). And a
/// server that starts lets nobody open a file by version 4 before its grace time is over: 90 s, by default.
const CONFIGURATION: &str = "[mountd]\nmanage-gids=n\n[nfsd]\ngrace-time=10\nlease-time=10\n";

/// The port of its MOUNT.
pub const MOUNTD: u16 = 20048;

/// What Debian's units start, in their order, but without systemd, which is slower.
#[must_use]
pub fn start(threads: u32) -> String {
    format!(
        "modprobe nfsd\nmount -t nfsd nfsd /proc/fs/nfsd\nmkdir -p /run/rpcbind\nchown _rpc /run/rpcbind\nrpcbind -w\n\
         exportfs -r\nrpc.mountd -p {MOUNTD}\nrpc.nfsd {threads}\n"
    )
}

/// Writes its configuration below `layer`: the disk is exported with these `options`, such as `ro`.
///
/// # Errors
/// When it cannot be written.
pub fn configure(layer: &Path, options: &str) -> Result<()> {
    let etc = layer.join("etc");
    let write = |name: &str, text: &str| {
        let file = etc.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    };
    std::fs::create_dir_all(&etc).with_context(|| format!("create {}", etc.display()))?;
    write("exports", &format!("/mnt/root *({options})\n"))?;
    write("nfs.conf", CONFIGURATION)
}
