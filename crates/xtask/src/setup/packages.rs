//! The distribution's packages, described in `packages.toml`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Step;
use crate::run::run;

const LIST: &str = include_str!("../../packages.toml");

#[derive(Debug, Deserialize)]
struct List {
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    provides: Vec<String>,
    why: String,
}

/// The packages that this machine lacks.
pub(super) struct Packages(Vec<Package>);

pub(super) fn missing() -> Result<Option<Packages>> {
    let missing = missing_under(Path::new("/"))?;
    if missing.0.is_empty() {
        return Ok(None);
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        let names: Vec<&str> = missing.0.iter().map(|p| p.name.as_str()).collect();
        bail!(
            "this is not a Debian or Ubuntu (no apt-get): install by hand what these \
             packages hold: {}",
            names.join(" ")
        );
    }
    Ok(Some(missing))
}

fn missing_under(top: &Path) -> Result<Packages> {
    let list: List = toml::from_str(LIST).context("read crates/xtask/packages.toml")?;
    let is_there = |file: &String| top.join(file.trim_start_matches('/')).exists();
    Ok(Packages(
        list.package
            .into_iter()
            .filter(|package| !package.provides.iter().any(is_there))
            .collect(),
    ))
}

impl Packages {
    fn install(&self) -> Vec<&str> {
        let mut argv = vec!["apt-get", "install", "-y", "--no-install-recommends"];
        argv.extend(self.0.iter().map(|package| package.name.as_str()));
        argv
    }
}

impl Step for Packages {
    fn plan(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|package| format!("package {:<24} {}", package.name, package.why))
            .collect()
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn command(&self) -> String {
        self.install().join(" ")
    }

    fn run(&self) -> Result<()> {
        let argv = self.install();
        // The lists of a fresh machine are empty or old; those of a used one often suffice.
        if install(&argv).is_ok() {
            return Ok(());
        }
        println!("set-up: once more with fresh package lists");
        run(Command::new("apt-get").args(["update", "-q"]))?;
        install(&argv)
    }
}

fn install(argv: &[&str]) -> Result<()> {
    let (program, arguments) = argv.split_first().context("an empty command")?;
    run(Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_anything_lacks_every_package_and_each_says_why() {
        let nowhere = tempfile::tempdir().unwrap();
        let missing = missing_under(nowhere.path()).unwrap();
        assert!(missing.0.len() > 10);
        assert!(missing.0.iter().all(|package| package.why.len() > 10));
        assert!(missing.command().contains(" ovmf "));
    }

    #[test]
    fn a_package_is_there_when_one_of_its_files_is() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("sbin")).unwrap();
        std::fs::write(top.path().join("sbin/rpcbind"), "").unwrap();
        let missing = missing_under(top.path()).unwrap();
        assert!(missing.0.iter().all(|package| package.name != "rpcbind"));
    }
}
