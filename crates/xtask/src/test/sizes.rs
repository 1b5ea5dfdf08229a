//! The sizes of the init and the initrds.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use netroot_harness::paths;

use super::check::Outcome;
use crate::{build, initrd};

/// The limits on what a machine loads before its root, in bytes.
const INIT_LIMIT: u64 = 900 * 1024;
const VIRTIO_IMAGE_LIMIT: u64 = 1_800 * 1024;
const NETBOOT_IMAGE_LIMIT: u64 = 10 * 1024 * 1024;

pub(super) fn init() -> Result<Outcome> {
    let size_here = size(&build::carried_init("x86_64")?)?;
    let size_there = size(&build::carried_init("aarch64")?)?;
    // The limit applies to x86_64.
    within(size_here, INIT_LIMIT, "init for x86_64")?;
    Ok(Outcome::Passed(format!(
        "x86_64: {} KiB, aarch64: {} KiB",
        size_here / 1024,
        size_there / 1024
    )))
}

pub(super) fn initrds() -> Result<Outcome> {
    let folder = paths::target().join("initrds");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut sizes = Vec::new();
    for (modules, limit) in [
        ("virtio_net", VIRTIO_IMAGE_LIMIT),
        ("netboot", NETBOOT_IMAGE_LIMIT),
    ] {
        let output = folder.join(format!("{modules}.img"));
        initrd::make(modules, &output)?;
        let size = size(&output)?;
        within(size, limit, &format!("the initrd with {modules}"))?;
        sizes.push(format!("{modules}: {} KiB", size / 1024));
    }
    Ok(Outcome::Passed(sizes.join(", ")))
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path)
        .with_context(|| format!("look at {}", path.display()))?
        .len())
}

fn within(size: u64, limit: u64, what: &str) -> Result<()> {
    ensure!(
        size <= limit,
        "{what} is {size} bytes, more than the limit of {limit}"
    );
    Ok(())
}
