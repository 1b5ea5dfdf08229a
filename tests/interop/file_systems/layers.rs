//! Roots of several layers, as containers and live systems have them.

use anyhow::Result;

use super::{FileSystem, PLAIN, SMALL, Vague, prove};

/// Docker's, and Podman's as root: all layers are on one file system.
const OVERLAY: FileSystem = FileSystem {
    before: "image disk 300M; mkfs.ext4 -q disk.img; on disk disk
        mkdir disk/lower disk/second disk/upper disk/work",
    filled: &["disk/lower"],
    layered: &["disk/second"],
    ..PLAIN
};

/// fuse-overlayfs counts the names of a file that it has seen so far, and once such a file is changed by one of them, the
/// content of the others depends on that too.
const FUSE: Vague = Vague {
    made_up: &[],
    links: true,
};

/// What was changed through an overlay: copied up, a whiteout, an opaque folder, a new file.
macro_rules! files_changed {
    ($mount:expr) => {
        concat!(
            $mount,
            "
            echo changed > root/etc/hosts; chmod 4711 root/usr/bin/su
            chown 7:7 root/home; touch -d 2020-02-02T02:02:02.222222222 root/usr/bin/wall
            rm root/many/file-0100; rm -r root/opt/names/sub
            rm -r root/var/mail; mkdir root/var/mail; echo new > root/var/mail/new
            mv root/many/file-0200 root/etc/moved; echo new > root/many/new
            "
        )
    };
}

/// The same, another name, and a file with two names copied up, of which one keeps the old content.
macro_rules! changed {
    ($mount:expr) => {
        concat!(
            files_changed!($mount),
            "ln root/usr/lib/linked-1 root/usr/lib/another-name
            echo changed > root/usr/lib/linked-2"
        )
    };
}

#[test]
fn overlayfs_of_one_file_system() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, same",
        after: changed!(
            "mount -t overlay overlay root \
             -o lowerdir=disk/second:disk/lower,upperdir=disk/upper,workdir=disk/work"
        ),
        ..OVERLAY
    })
}

#[test]
fn overlayfs_of_several_file_systems() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, several",
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk disk
            mkdir disk/lower disk/upper disk/work second",
        layered: &["second"],
        after: changed!(
            "mount -t overlay overlay root \
             -o lowerdir=second:disk/lower,upperdir=disk/upper,workdir=disk/work,xino=off"
        ),
        ..OVERLAY
    })
}

#[test]
fn overlayfs_of_several_file_systems_with_xino() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, several, xino",
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk disk
            image other 300M; mkfs.xfs -q other.img; on other other
            mkdir disk/lower disk/upper disk/work other/second",
        layered: &["other/second"],
        after: changed!(
            "mount -t overlay overlay root \
             -o lowerdir=other/second:disk/lower,upperdir=disk/upper,workdir=disk/work,xino=on"
        ),
        ..OVERLAY
    })
}

#[test]
fn overlayfs_with_metadata_and_folders_copied_up_alone() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, metacopy",
        after: changed!(
            "mount -t overlay overlay root -o lowerdir=disk/second:disk/lower,upperdir=disk/upper,\
             workdir=disk/work,metacopy=on,redirect_dir=on,volatile
            mv root/opt/links root/opt/renamed"
        ),
        ..OVERLAY
    })
}

#[test]
fn overlayfs_of_a_live_system() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, live",
        before: "image disk 300M; mkfs.ext4 -q disk.img; on disk disk
            mkdir disk/lower disk/second upper; mount -t tmpfs upper upper; mkdir upper/up upper/work",
        after: changed!(
            "mount -t overlay overlay root \
             -o lowerdir=disk/second:disk/lower,upperdir=upper/up,workdir=upper/work"
        ),
        ..OVERLAY
    })
}

#[test]
fn overlayfs_over_a_compressed_image() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs on squashfs",
        before: "mkdir source second upper; mount -t tmpfs upper upper; mkdir upper/up upper/work",
        filled: &["source"],
        layered: &["second"],
        after: changed!(
            "mksquashfs source image.img -quiet -no-progress; on image lower
             mksquashfs second layer.img -quiet -no-progress; on layer layer
             mount -t overlay overlay root \
             -o lowerdir=layer:lower,upperdir=upper/up,workdir=upper/work"
        ),
        sparse: SMALL,
        ..PLAIN
    })
}

#[test]
fn overlayfs_with_an_index_and_handles_of_its_own() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, nfs_export",
        after: changed!(
            "mount -t overlay overlay root \
             -o lowerdir=disk/second:disk/lower,upperdir=disk/upper,workdir=disk/work,index=on,nfs_export=on"
        ),
        // The kernel counts the index as a name of what was copied up, if that was opened by its handle first.
        vague: Vague {
            made_up: &[],
            links: true,
        },
        ..OVERLAY
    })
}

/// Mounts it, makes the changes, and mounts it anew: only then does it tell their times as they are.
macro_rules! fuse_overlayfs {
    ($before:literal) => {
        concat!(
            files_changed!(concat!(
                $before,
                "
                fuse() {
                    fuse-overlayfs root -o \
                    lowerdir=disk/second:disk/lower,upperdir=disk/upper,workdir=disk/work,allow_other
                }
                fuse"
            )),
            "umount root; fuse"
        )
    };
}

#[test]
fn fuse_overlayfs() -> Result<()> {
    prove(&FileSystem {
        name: "fuse-overlayfs",
        after: fuse_overlayfs!(""),
        vague: FUSE,
        ..OVERLAY
    })
}

#[test]
fn fuse_overlayfs_of_a_container_without_root() -> Result<()> {
    prove(&FileSystem {
        name: "fuse-overlayfs, subuids",
        after: fuse_overlayfs!(
            "chown -h -R 100000:100000 disk/lower disk/second disk/upper disk/work"
        ),
        vague: FUSE,
        ..OVERLAY
    })
}

#[test]
fn overlayfs_of_images_alone() -> Result<()> {
    prove(&FileSystem {
        name: "overlayfs, read-only",
        before: "mkdir source second",
        filled: &["source"],
        layered: &["second"],
        after: "mksquashfs source image.img -quiet -no-progress; on image lower
             mksquashfs second layer.img -quiet -no-progress; on layer layer
             mount -t overlay overlay root -o lowerdir=layer:lower",
        sparse: SMALL,
        ..PLAIN
    })
}
