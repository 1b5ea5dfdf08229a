//! Debian's own network initrd, made as its users make it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use crate::run::run;

/// Runs in its own mount namespace, so that nothing stays mounted, with an overlay in
/// memory, so that the cached root stays unchanged.
const MAKE: &str = r#"
set -eu
root=$1 version=$2 image=$3
layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
mount -t proc proc "$layer/root/proc"
mount --bind /dev "$layer/root/dev"
cp -a "$root/etc/initramfs-tools" "$layer/root/tmp/conf"
printf 'MODULES=netboot\nBOOT=nfs\n' >"$layer/root/tmp/conf/conf.d/netboot"
chroot "$layer/root" mkinitramfs -d /tmp/conf -o /tmp/initrd.img "$version" 2>"$layer/errors" || {
    cat "$layer/errors" >&2
    exit 1
}
cp "$layer/root/tmp/initrd.img" "$image"
umount -R "$layer"
rmdir "$layer"
"#;

/// Writes the initrd that `mkinitramfs` makes in the cached Debian root with `MODULES=netboot`
/// and `BOOT=nfs`: klibc's ipconfig and nfsmount, and udev.
///
/// # Errors
/// When it cannot be made; the message is the tool's own.
pub(super) fn make(initrd: &Path, version: &str) -> Result<()> {
    run(Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            MAKE,
            "sh",
        ])
        .arg(paths::debian_root())
        .arg(version)
        .arg(initrd))
    .context("make Debian's own initrd with mkinitramfs")
}
