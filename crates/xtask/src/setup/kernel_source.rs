//! The source of Linux that `kernel-config/` is checked against and `cargo xtask kernel` builds: Debian's package, of
//! the kernel that the tests' machines boot.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::remove;
use crate::run::run;

const RECIPE: &str = include_str!("kernel_source.sh");

/// A source that is missing, or was fetched by another version of the script.
pub(super) struct KernelSource {
    is_outdated: bool,
}

/// Where it is: `version`, `source.tar.xz`, and `kconfig`, what configuring takes of that.
pub(crate) fn folder() -> PathBuf {
    paths::cache().join("linux-source")
}

/// Debian's version of it.
///
/// # Errors
/// When it was not fetched.
pub(crate) fn version() -> Result<String> {
    let file = folder().join("version");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

pub(super) fn missing() -> Option<KernelSource> {
    let is_outdated = folder().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != RECIPE).then_some(KernelSource { is_outdated })
}

fn stamp() -> PathBuf {
    folder().join("recipe")
}

impl InstallStep for KernelSource {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "its recipe has changed"
        } else {
            "kernel-config/ is checked against it: 140 MB to fetch, 180 MB on disk"
        };
        vec![format!(
            "the source of Debian 12's kernel in {}: {why}",
            folder().display()
        )]
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        vec![format!(
            "sh crates/xtask/src/setup/kernel_source.sh {} {}",
            folder().display(),
            mirror()
        )]
    }

    fn run(&self) -> Result<()> {
        let unfinished = folder().with_extension("unfinished");
        remove(&unfinished)?;
        std::fs::create_dir_all(&unfinished)
            .with_context(|| format!("create {}", unfinished.display()))?;
        let script = unfinished.join("recipe");
        std::fs::write(&script, RECIPE).with_context(|| format!("write {}", script.display()))?;
        run(Command::new("sh")
            .arg(&script)
            .arg(&unfinished)
            .arg(mirror()))?;
        remove(&folder())?;
        std::fs::rename(&unfinished, folder())
            .with_context(|| format!("move the source to {}", folder().display()))
    }
}
