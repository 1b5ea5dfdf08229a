//! Debian's own network initrd, made as its users make it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use crate::run::run;

/// Run in a mount namespace of its own, so that nothing stays mounted and the cached
/// root is not written to: what the tool needs writable is a layer in memory.
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
chroot "$layer/root" mkinitramfs -d /tmp/conf -o /tmp/initrd.img "$version" 2>"$layer/said" || {
    cat "$layer/said" >&2
    exit 1
}
cp "$layer/root/tmp/initrd.img" "$image"
umount -R "$layer"
rmdir "$layer"
"#;

/// The image that `mkinitramfs` makes in the cached Debian root with `MODULES=netboot`
/// and `BOOT=nfs`: klibc's ipconfig and nfsmount, and udev.
///
/// # Errors
/// When it cannot be made; the message is the tool's own.
pub(super) fn image(folder: &Path, version: &str) -> Result<PathBuf> {
    let image = folder.join(format!("initramfs-tools-{version}.img"));
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
        .arg(&image))
    .context("make Debian's own initrd with mkinitramfs")?;
    Ok(image)
}
