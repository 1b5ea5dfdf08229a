//! `cargo xtask initrd`: an initrd for the cached Debian root.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use netroot_harness::paths;

use crate::run::run;

/// Makes an initrd with these modules (`netboot`, or names), by the `netroot` that was built.
///
/// # Errors
/// When `netroot` is not built or fails.
pub(crate) fn make(modules: &str, output: &Path) -> Result<()> {
    run(Command::new(paths::netroot()?)
        .args(["initrd", "--root"])
        .arg(paths::debian_root())
        .args(["--modules", modules, "-o"])
        .arg(output))
}
