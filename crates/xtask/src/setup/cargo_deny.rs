//! cargo-deny, which checks licences, sources and advisories. Debian has no package of it.

use std::process::Command;

use anyhow::Result;

use super::install_step::InstallStep;
use crate::run::{output, run};

/// A version that builds with our minimum Rust (`rust-version` in Cargo.toml).
const VERSION: &str = "0.20.2";

/// A few hundred crates are checked in a second either way, and this builds in half the time.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

const ARGUMENTS: [&str; 5] = ["install", "cargo-deny", "--version", VERSION, "--locked"];

/// This user has no cargo-deny of any version.
pub(super) struct CargoDeny;

pub(super) fn missing() -> Option<CargoDeny> {
    let version = output(Command::new("cargo").args(["deny", "--version"]));
    version.is_err().then_some(CargoDeny)
}

impl InstallStep for CargoDeny {
    fn plan(&self) -> Vec<String> {
        vec![format!(
            "cargo-deny {VERSION} in cargo's own bin directory: checks licences and advisories; builds in one to three \
             minutes"
        )]
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        let settings = PROFILE.map(|(name, value)| format!("{name}={value}"));
        vec![format!(
            "{} cargo {}",
            settings.join(" "),
            ARGUMENTS.join(" ")
        )]
    }

    fn run(&self) -> Result<()> {
        let mut install = Command::new("cargo");
        install.args(ARGUMENTS).arg("--quiet").envs(PROFILE);
        // The other checks work without it; its own report NOT DONE.
        if let Err(error) = run(&mut install) {
            println!("set-up: going on without cargo-deny: {error:#}");
        }
        Ok(())
    }
}
