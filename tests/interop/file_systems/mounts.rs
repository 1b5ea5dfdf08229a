//! Roots with other file systems and subvolumes below them.

use anyhow::Result;

use super::{FileSystem, PLAIN, prove};

#[test]
fn a_chroot_in_use() -> Result<()> {
    prove(&FileSystem {
        name: "chroot in use",
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk root",
        after:
            "mount -t proc proc root/proc; mount -t sysfs sys root/sys
            mount --rbind /dev root/dev; mount -t tmpfs run root/run; echo secret > root/run/secret",
        empty: &["proc", "sys", "dev", "run"],
        ..PLAIN
    })
}
