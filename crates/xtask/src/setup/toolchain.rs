//! Rust's standard library for the targets that `init` is built for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::install_step::InstallStep;
use crate::run::{output, run};

/// The targets that `init` is built for.
const MUSL_TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// The targets missing from the toolchain.
pub(super) struct Targets(Vec<&'static str>);

pub(super) fn missing() -> Result<Option<Targets>> {
    // rustc is asked rather than rustup: a distribution's Rust may have them too.
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))
        .context("ask rustc for its sysroot")?;
    let libraries = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<_> = MUSL_TARGETS
        .into_iter()
        .filter(|target| !libraries.join(target).join("lib").is_dir())
        .collect();
    Ok((!missing.is_empty()).then_some(Targets(missing)))
}

impl InstallStep for Targets {
    fn plan(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|target| format!("rust target {target}: init is a static program"))
            .collect()
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("rustup target add {}", self.0.join(" "))]
    }

    fn run(&self) -> Result<()> {
        run(Command::new("rustup").args(["target", "add"]).args(&self.0))
    }
}
