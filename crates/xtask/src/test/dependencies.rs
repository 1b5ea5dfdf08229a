//! The dependencies: licences, sources, advisories, and the crates in `init`.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};

use super::check::{Outcome, cargo, passed};
use crate::run::{output, run};

/// The crates that may be in `init`. Adding one to PID 1 is a deliberate decision, made in this list.
const INIT_MAY_HOLD: &str = include_str!("../../init-crates.txt");

/// What cargo-deny prints when a crate has an advisory.
const ADVISORIES_FOUND: &str = "advisories FAILED";

/// Licences, banned crates and where crates come from. Needs no network.
pub(super) fn licences() -> Result<Outcome> {
    if let Some(missing) = without_cargo_deny() {
        return Ok(missing);
    }
    run(&mut cargo(&[
        "deny",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    Ok(passed())
}

/// Known vulnerabilities in the RustSec database: the current one, or else the last one fetched.
pub(super) fn advisories() -> Result<Outcome> {
    if let Some(missing) = without_cargo_deny() {
        return Ok(missing);
    }
    let Err(online) = output(&mut cargo(&["deny", "check", "advisories"])) else {
        return Ok(passed());
    };
    let online = format!("{online:#}");
    if online.contains(ADVISORIES_FOUND) {
        bail!("{online}");
    }
    let why = reason(&online);
    match output(&mut cargo(&["deny", "--offline", "check", "advisories"])) {
        Ok(_) => Ok(Outcome::Passed(format!(
            "checked against the database fetched last; a newer one cannot be fetched: {why}"
        ))),
        Err(error) if format!("{error:#}").contains(ADVISORIES_FOUND) => Err(error),
        Err(_) => Ok(Outcome::NotDone(format!(
            "advisories NOT CHECKED: the database at https://github.com/RustSec/advisory-db cannot be fetched: {why}; \
             run `cargo deny check advisories` online"
        ))),
    }
}

/// Why the database could not be fetched: git prints its reason last.
fn reason(output: &str) -> &str {
    let last = output.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or_default()
        .trim()
        .trim_start_matches("fatal: ")
}

fn without_cargo_deny() -> Option<Outcome> {
    let missing = output(&mut cargo(&["deny", "--version"])).is_err();
    let why = "cargo-deny is not installed (`cargo install cargo-deny --locked`)";
    missing.then(|| Outcome::NotDone(why.to_owned()))
}

pub(super) fn init_crates() -> Result<Outcome> {
    let tree = output(&mut cargo(&[
        "tree",
        "-p",
        "netroot-init",
        "--edges",
        // A procedural macro runs in the compiler, not in the init.
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--target",
        "x86_64-unknown-linux-musl",
    ]))?;
    let holds: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let may_hold: BTreeSet<&str> = INIT_MAY_HOLD
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim)
        .collect();
    let strangers: Vec<&str> = holds.difference(&may_hold).copied().collect();
    ensure!(
        strangers.is_empty(),
        "init contains crates that crates/xtask/init-crates.txt does not list: {}",
        strangers.join(", ")
    );
    Ok(Outcome::Passed(format!("{} crates", holds.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_gits() {
        let output = "[ERROR] failed to fetch advisory database https://github.com/RustSec/advisory-db with cli\n\
                      Cloning into '/root/.cargo/advisory-dbs/advisory-db-3157b0e258782691'...\n\
                      fatal: unable to access 'https://github.com/RustSec/advisory-db/': Could not resolve host\n\n";
        let expected =
            "unable to access 'https://github.com/RustSec/advisory-db/': Could not resolve host";
        assert_eq!(reason(output), expected);
    }
}
