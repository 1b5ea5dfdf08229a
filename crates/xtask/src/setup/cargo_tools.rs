//! Programs that cargo builds, since Debian has no package of them.

use std::process::Command;

use anyhow::Result;

use super::install_step::InstallStep;
use crate::run::{output, run};

/// Versions that build with our minimum Rust (`rust-version` in Cargo.toml).
const TOOLS: [CargoTool; 2] = [
    CargoTool {
        name: "cargo-deny",
        version: "0.20.2",
        why: "checks licences and advisories",
    },
    CargoTool {
        name: "cargo-fuzz",
        version: "0.13.2",
        why: "feeds every parser with random input",
    },
];

/// They work on little or only start others, and build in half the time so.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

/// A program that this user does not have, in any version.
pub(super) struct CargoTool {
    name: &'static str,
    version: &'static str,
    why: &'static str,
}

pub(super) fn missing() -> impl Iterator<Item = CargoTool> {
    let is_missing = |tool: &CargoTool| output(Command::new(tool.name).arg("--version")).is_err();
    TOOLS.into_iter().filter(is_missing)
}

/// `cargo xtask fuzz` needs only this one.
pub(super) fn missing_for_fuzzing() -> impl Iterator<Item = CargoTool> {
    missing().filter(|tool| tool.name == "cargo-fuzz")
}

impl CargoTool {
    fn arguments(&self) -> [&str; 5] {
        ["install", self.name, "--version", self.version, "--locked"]
    }
}

impl InstallStep for CargoTool {
    fn plan(&self) -> Vec<String> {
        vec![format!(
            "{} {} in cargo's own bin directory: {}; builds in one to three minutes",
            self.name, self.version, self.why
        )]
    }

    fn needs_root(&self) -> bool {
        false
    }

    fn commands(&self) -> Vec<String> {
        let settings = PROFILE.map(|(name, value)| format!("{name}={value}"));
        let arguments = self.arguments();
        vec![format!(
            "{} cargo {}",
            settings.join(" "),
            arguments.join(" ")
        )]
    }

    fn run(&self) -> Result<()> {
        let mut install = Command::new("cargo");
        install.args(self.arguments()).arg("--quiet").envs(PROFILE);
        // The other checks work without it; its own report NOT DONE.
        if let Err(error) = run(&mut install) {
            println!("set-up: going on without {}: {error:#}", self.name);
        }
        Ok(())
    }
}
