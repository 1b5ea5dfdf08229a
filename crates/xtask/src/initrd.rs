//! `cargo xtask initrd`: an initrd for the cached Debian root.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use netroot_harness::{Processor, paths};

use crate::run::run;

/// Makes an initrd with these modules (`netboot`, or names), by the `netroot` that was built.
///
/// # Errors
/// When `netroot` is not built or fails.
pub(crate) fn make(modules: &str, output: &Path) -> Result<()> {
    make_for(Processor::X86_64, modules, output)
}

/// The same for the Debian root of machines with this processor.
///
/// # Errors
/// As [`make`].
pub(crate) fn make_for(processor: Processor, modules: &str, output: &Path) -> Result<()> {
    run(Command::new(paths::netroot()?)
        .args(["initrd", "--root"])
        .arg(paths::debian_root_for(processor))
        .args(["--modules", modules, "-o"])
        .arg(output))
}
