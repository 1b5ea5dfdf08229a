//! Roots with other file systems and subvolumes below them.

use anyhow::Result;

use super::{FileSystem, PLAIN, Vague, prove, prove_with};

#[test]
fn btrfs_with_subvolumes_within_each_other_and_snapshots() -> Result<()> {
    prove(&FileSystem {
        name: "btrfs, subvolumes",
        before: "image disk 300M; mkfs.btrfs -q disk.img; on disk disk
            btrfs -q subvolume create disk/@root; mount --bind disk/@root root
            for each in var home usr usr/share var/lib var/lib/machines; do
                btrfs -q subvolume create root/$each
            done",
        after: "mkdir root/.snapshots; sync -f root
            btrfs -q subvolume snapshot root root/.snapshots/1
            btrfs -q subvolume snapshot -r root/usr root/.snapshots/2",
        // A snapshot has no subvolumes, but their names.
        vague: Vague {
            made_up: &[
                ".snapshots/1/home",
                ".snapshots/1/usr",
                ".snapshots/1/var",
                ".snapshots/2/share",
            ],
            links: false,
        },
        ..PLAIN
    })
}

#[test]
fn btrfs_with_subvolumes_mounted_in_another() -> Result<()> {
    prove(&FileSystem {
        name: "btrfs, subvolume mounts",
        before: "image disk 300M; mkfs.btrfs -q disk.img; on disk disk
            for each in @ @home @var @log; do btrfs -q subvolume create disk/$each; done
            on disk root subvol=@; mkdir root/home root/var
            on disk root/home subvol=@home; on disk root/var subvol=@var
            mkdir root/var/log; on disk root/var/log subvol=@log",
        ..PLAIN
    })
}

/// File systems of their own for parts of the root, within each other too; a folder from elsewhere, and one that is there
/// twice.
const PARTS: FileSystem = FileSystem {
    before: "mkdir root/usr root/boot root/var root/srv root/opt
        image usr 300M; mkfs.ext4 -q usr.img; on usr root/usr
        image boot 400M; mkfs.xfs -q boot.img; on boot root/boot
        image var 300M; mkfs.btrfs -q var.img; on var root/var
        mkdir root/usr/local root/var/lib; btrfs -q subvolume create root/var/lib/machines
        mount -t tmpfs local root/usr/local",
    after: "echo local > root/usr/local/file; mkdir -p elsewhere/deep; echo bound > elsewhere/deep/file
        mount --bind elsewhere root/srv; mkdir root/opt/twice; mount --bind root/usr/lib root/opt/twice
        echo inside > root/var/lib/machines/file",
    ..PLAIN
};

#[test]
fn file_systems_of_their_own_for_parts_of_the_root() -> Result<()> {
    prove(&FileSystem {
        name: "usr, boot, var mounted",
        ..PARTS
    })
}

/// Each has an `fsid` of its own then, and clients mount it on its own.
#[test]
fn file_systems_of_their_own_for_machines_without_an_overlay() -> Result<()> {
    prove(&FileSystem {
        name: "the same, no overlay",
        arguments: &["--no-overlay"],
        ..PARTS
    })
}

#[test]
fn without_the_file_systems_below_it_the_root_is_what_they_cover_and_so_is_its_kernel() -> Result<()>
{
    let lab = prove_with(&FileSystem {
        name: "the same, left out",
        before: "mkdir view",
        after: "mount -t tmpfs boot root/boot; mount -t tmpfs usr root/usr; mkdir root/usr/here
            mount --bind root view",
        arguments: &["--no-submounts"],
        real: "view",
        ..PLAIN
    })?;
    let said = lab.said().join("\n");
    assert!(
        said.contains("none is served; boot, usr not served (left out)"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_chroot_in_use() -> Result<()> {
    let lab = prove_with(&FileSystem {
        name: "chroot in use",
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk root",
        after:
            "mount -t proc proc root/proc; mount -t sysfs sys root/sys
            mount --rbind /dev root/dev; mount -t tmpfs run root/run; echo secret > root/run/secret",
        empty: &["proc", "sys", "dev", "run"],
        ..PLAIN
    })?;
    let said = lab.said().join("\n");
    // Whether /dev is the kernel's or a tmpfs depends on the machine; what is mounted below it goes without saying.
    for told in [
        "none is served; proc, sys",
        "dev",
        "run",
        "(of a running system)",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("dev/"), "{said}");
    Ok(())
}
