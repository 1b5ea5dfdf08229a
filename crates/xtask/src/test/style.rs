//! Formatting, lints, documentation, and circles between modules.

use anyhow::Result;

use super::check::{Outcome, cargo, passed};
use crate::circles;
use crate::run::run;

pub(super) fn formatting() -> Result<Outcome> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    // A workspace of its own.
    let fuzz = ["--manifest-path", "tests/fuzz/Cargo.toml", "--check"];
    run(&mut cargo(&[&["fmt"][..], &fuzz].concat()))?;
    Ok(passed())
}

pub(super) fn clippy() -> Result<Outcome> {
    run(&mut cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(passed())
}

/// Broken links are errors.
pub(super) fn documentation() -> Result<Outcome> {
    run(cargo(&["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(passed())
}

pub(super) fn circles() -> Result<Outcome> {
    let files = circles::check()?;
    Ok(Outcome::Passed(format!("{files} files")))
}
