//! Rust's standard library for the targets that `init` is built for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::install_step::InstallStep;
use crate::architecture::Architecture;
use crate::run::{output, run};

/// The targets that `init` is built for.
const MUSL_TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// The targets missing from the toolchain.
pub(super) struct Targets {
    names: Vec<&'static str>,
    why: &'static str,
}

pub(super) fn missing() -> Result<Option<Targets>> {
    missing_of(&MUSL_TARGETS, "init is a static program")
}

/// The target that the boot server for another architecture is built for, if it is missing.
pub(super) fn missing_for(other: Architecture) -> Result<Option<Targets>> {
    missing_of(&[other.target()], "the boot server for that processor")
}

fn missing_of(targets: &[&'static str], why: &'static str) -> Result<Option<Targets>> {
    // rustc is asked rather than rustup: a distribution's Rust may have them too.
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))
        .context("ask rustc for its sysroot")?;
    let libraries = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    let names: Vec<_> = targets
        .iter()
        .copied()
        .filter(|target| !libraries.join(target).join("lib").is_dir())
        .collect();
    Ok((!names.is_empty()).then_some(Targets { names, why }))
}

impl InstallStep for Targets {
    fn plan(&self) -> Vec<String> {
        let why = self.why;
        self.names
            .iter()
            .map(|target| format!("rust target {target}: {why}"))
            .collect()
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("rustup target add {}", self.names.join(" "))]
    }

    fn run(&self) -> Result<()> {
        run(Command::new("rustup")
            .args(["target", "add"])
            .args(&self.names))
    }
}
