//! Two hosts at once, each with a copy of one image and of the first server's state: machines know every file by the same handle on
//! both, whatever the file system.

use anyhow::{Context, Result};

use super::lab::Lab;
use super::machine::Look;
use super::{FileSystem, Order, PLAIN, SMALL, plant, use_handles, walk, walk_again};

/// `made` makes `disk.img` of the folder `source`.
fn prove(name: &'static str, made: &str) -> Result<()> {
    let system = FileSystem { name, ..PLAIN };
    let mut first = Lab::new(name)?;
    first.shell("mkdir source")?;
    plant::everything(&first.path("source"), SMALL)?;
    first.shell(&format!("{made}; on disk root"))?;
    first.serve(&[])?;
    let (seen, _) = walk(&first, &system, Look::Closely)?;

    let mut second = Lab::new(&format!("{name}-2"))?;
    second.copy("disk.img", &first)?;
    second.shell("on disk root")?;
    second.serve(&[])?;
    // By handles alone, before it has looked anything up.
    second
        .clients
        .within(|| use_handles(2, &seen, Order::Random, system.vague))
        .context("on the second host")?;
    walk_again(&second, &system, &seen)?;
    walk_again(&first, &system, &seen)?;
    Ok(())
}

#[test]
fn of_squashfs_have_equal_handles() -> Result<()> {
    prove(
        "copy-squashfs",
        "mksquashfs source disk.img -quiet -no-progress",
    )
}

#[test]
fn of_erofs_have_equal_handles() -> Result<()> {
    prove(
        "copy-erofs",
        // mkfs.erofs 1.5 cannot store names of 255 bytes.
        "LC_ALL=C find source/opt/names -depth -regextype posix-extended -regex '.*/.{255}' -delete
            mkfs.erofs disk.img source",
    )
}

#[test]
fn of_ext4_have_equal_handles() -> Result<()> {
    prove(
        "copy-ext4",
        "image disk 200M; mkfs.ext4 -q disk.img; on disk disk; cp -a source/. disk; umount disk",
    )
}
