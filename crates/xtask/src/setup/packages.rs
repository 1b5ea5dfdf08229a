//! The distribution's packages, described in `packages.toml`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::install_step::InstallStep;
use crate::run::run;

const LIST: &str = include_str!("../../packages.toml");

#[derive(Debug, Deserialize)]
struct List {
    package: Vec<Package>,
    /// What machines with that processor need besides.
    aarch64: Vec<Package>,
    /// What configures a kernel.
    kconfig: Vec<Package>,
    /// The peers of `cargo xtask bench serve` alone.
    bench_serve: Vec<Package>,
    /// What builds a kernel, for `cargo xtask kernel` alone.
    kernel: Vec<Package>,
    /// What one for arm64 takes besides, on x86_64.
    kernel_for_arm64: Vec<Package>,
    /// What builds the server for arm64 on x86_64, and runs its unit tests.
    server_for_arm64: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    provides: Vec<String>,
    why: String,
    #[serde(default)]
    services: Vec<String>,
}

/// The packages missing on this machine.
pub(super) struct Packages(Vec<Package>);

pub(super) fn missing() -> Result<Option<Packages>> {
    installable(missing_under(Path::new("/"))?)
}

/// The packages missing of those that `cargo xtask bench serve` needs besides.
pub(super) fn missing_for_bench_serve() -> Result<Option<Packages>> {
    installable(absent(list()?.bench_serve, Path::new("/")))
}

/// The packages missing of those that aarch64 machines need besides.
pub(super) fn missing_for_aarch64() -> Result<Option<Packages>> {
    installable(absent(list()?.aarch64, Path::new("/")))
}

/// The packages missing of those that configure a kernel.
pub(super) fn missing_for_kconfig() -> Result<Option<Packages>> {
    installable(absent(list()?.kconfig, Path::new("/")))
}

/// The packages missing of those that the tests need besides.
pub(super) fn missing_for_tests() -> Result<Option<Packages>> {
    let list = list()?;
    let packages = list.aarch64.into_iter().chain(list.kconfig);
    installable(absent(packages.collect(), Path::new("/")))
}

/// The packages missing of those that `cargo xtask kernel` needs besides.
pub(super) fn missing_for_kernel(is_for_arm64: bool) -> Result<Option<Packages>> {
    let list = list()?;
    let mut packages = list.kernel;
    if is_for_arm64 {
        packages.extend(list.kernel_for_arm64);
    }
    installable(absent(packages, Path::new("/")))
}

/// The packages missing of those that build the server for arm64 and run its unit tests.
pub(super) fn missing_for_arm64_server() -> Result<Option<Packages>> {
    let list = list()?;
    let packages = list.kernel_for_arm64.into_iter();
    let packages = packages.chain(list.server_for_arm64).collect();
    installable(absent(packages, Path::new("/")))
}

/// Only the packages with these names, as far as they are missing.
pub(super) fn missing_named(names: &[&str]) -> Result<Option<Packages>> {
    let mut missing = missing_under(Path::new("/"))?;
    missing
        .0
        .retain(|package| names.contains(&package.name.as_str()));
    installable(missing)
}

fn installable(missing: Packages) -> Result<Option<Packages>> {
    if missing.0.is_empty() {
        return Ok(None);
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        let names: Vec<&str> = missing.0.iter().map(|p| p.name.as_str()).collect();
        bail!(
            "this is not a Debian or Ubuntu (no apt-get): install the contents of \
             these packages by hand: {}",
            names.join(" ")
        );
    }
    Ok(Some(missing))
}

fn missing_under(top: &Path) -> Result<Packages> {
    Ok(absent(list()?.package, top))
}

fn list() -> Result<List> {
    toml::from_str(LIST).context("read crates/xtask/packages.toml")
}

fn absent(packages: Vec<Package>, top: &Path) -> Packages {
    let is_there = |file: &String| top.join(file.trim_start_matches('/')).exists();
    let packages = packages.into_iter();
    let absent = packages.filter(|package| !package.provides.iter().any(is_there));
    Packages(absent.collect())
}

impl Packages {
    fn install(&self) -> Vec<&str> {
        let mut argv = vec!["apt-get", "install", "-y", "--no-install-recommends"];
        argv.extend(self.0.iter().map(|package| package.name.as_str()));
        argv
    }
}

impl Packages {
    fn services(&self) -> Vec<&str> {
        self.0
            .iter()
            .flat_map(|package| package.services.iter().map(String::as_str))
            .collect()
    }

    /// A machine that only runs tests should offer no services afterwards.
    fn stop_services(&self) -> Result<()> {
        let services = self.services();
        // Without systemd, as in a container, nothing was started.
        if services.is_empty() || !Path::new("/run/systemd/system").exists() {
            return Ok(());
        }
        run(Command::new("systemctl")
            .args(["disable", "--now"])
            .args(services))
    }
}

impl InstallStep for Packages {
    fn plan(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .0
            .iter()
            .map(|package| format!("package {:<24} {}", package.name, package.why))
            .collect();
        let services = self.services();
        if !services.is_empty() {
            lines.push(format!(
                "their services, disabled again: {}",
                services.join(" ")
            ));
        }
        lines
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = vec![self.install().join(" ")];
        let services = self.services();
        if !services.is_empty() {
            commands.push(format!("systemctl disable --now {}", services.join(" ")));
        }
        commands
    }

    fn run(&self) -> Result<()> {
        let argv = self.install();
        // Package lists are empty or outdated on a fresh machine, but often usable on others.
        if install(&argv).is_err() {
            println!("set-up: trying again with fresh package lists");
            run(Command::new("apt-get").args(["update", "-q"]))?;
            install(&argv)?;
        }
        self.stop_services()
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
    fn an_empty_machine_lacks_every_package_and_each_has_a_reason() {
        let nowhere = tempfile::tempdir().unwrap();
        let missing = missing_under(nowhere.path()).unwrap();
        assert!(missing.0.len() > 10);
        assert!(missing.0.iter().all(|package| package.why.len() > 10));
        assert!(missing.commands()[0].contains(" ovmf "));
        let is_of_others =
            |package: &Package| package.name == "qemu-system-arm" || package.name == "flex";
        assert!(!missing.0.iter().any(is_of_others));
    }

    #[test]
    fn a_package_is_installed_if_one_of_its_files_exists() {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("sbin")).unwrap();
        std::fs::write(top.path().join("sbin/rpcbind"), "").unwrap();
        let missing = missing_under(top.path()).unwrap();
        assert!(missing.0.iter().all(|package| package.name != "rpcbind"));
    }
}
