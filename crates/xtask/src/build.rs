//! Builds what the demo and the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use netroot_harness::{Processor, paths};

use crate::architecture::Architecture;
use crate::run::{output, run};

/// The boot server. Its build script builds the `init` for each architecture and embeds them.
///
/// # Errors
/// When one of them does not build.
pub(crate) fn netroot() -> Result<PathBuf> {
    run(cargo_build(&["-p", "netroot", "--release"])
        .env("NETROOT_INIT_X86_64", "build")
        .env("NETROOT_INIT_AARCH64", "build"))?;
    Ok(paths::target().join("release/netroot"))
}

/// The boot server for a machine with this processor, built by a cross compiler where this machine has another.
///
/// # Errors
/// When it does not build.
pub(crate) fn netroot_for(architecture: Architecture) -> Result<PathBuf> {
    if architecture == Architecture::of_this_machine()? {
        return netroot();
    }
    let target = architecture.target();
    run(cross(
        &mut cargo_build(&["-p", "netroot", "--release", "--target", target]),
        architecture,
    )
    .env("NETROOT_INIT_X86_64", "build")
    .env("NETROOT_INIT_AARCH64", "build"))?;
    Ok(paths::target().join(target).join("release/netroot"))
}

/// Has cargo link by the cross compiler. (What is written in C is compiled by it, too: the crate `cc` finds it by its name.)
pub(crate) fn cross(cargo: &mut Command, architecture: Architecture) -> &mut Command {
    let target = architecture.target().to_uppercase().replace('-', "_");
    cargo.env(
        format!("CARGO_TARGET_{target}_LINKER"),
        format!("{}-gcc", architecture.gnu()),
    )
}

/// The `init` for an architecture (`x86_64`, `aarch64`), as it is embedded in the boot server.
///
/// # Errors
/// When it does not build.
pub(crate) fn carried_init(architecture: &str) -> Result<PathBuf> {
    netroot()?;
    let target = format!("embed/{architecture}-unknown-linux-musl");
    Ok(paths::target().join(target).join("init/init"))
}

/// Writes the manual pages and the shells' completions of `netroot` into a directory.
///
/// # Errors
/// When their program does not build, or fails.
pub(crate) fn manual(folder: &Path) -> Result<()> {
    // A command line needs no init; and so it is of the same parts as the tests.
    run(cargo_build(&["--workspace", "--example", "manual"]).env("NETROOT_INIT_X86_64", "none"))?;
    run(Command::new(paths::target().join("debug/examples/manual")).arg(folder))
}

/// What `cargo xtask bench` boots.
///
/// # Errors
/// When something does not build.
pub(crate) fn bench() -> Result<()> {
    netroot()?;
    for_a_machine("netroot-facts", Processor::X86_64)?;
    for_a_machine("baseline-init", Processor::X86_64)
}

/// The client of `cargo xtask bench nfs`.
///
/// # Errors
/// When it does not build.
pub(crate) fn load() -> Result<()> {
    cargo(&["-p", "netroot-nfs-export", "--release", "--example", "load"])
}

/// A small static program of this work tree that runs in a virtual machine.
///
/// # Errors
/// When it does not build.
fn for_a_machine(package: &str, processor: Processor) -> Result<()> {
    let target = format!("{}-unknown-linux-musl", processor.name());
    cargo(&["-p", package, "--profile", "init", "--target", &target])
}

/// The test programs of `tests/`: those that need root.
const ROOT_TESTS: [&str; 4] = ["vm", "interop", "nfs_export", "nfs_submounts"];

/// The tests that need root, and the programs that they start. Their paths are also
/// stored in a file, for a run as root without cargo in its PATH.
///
/// # Errors
/// When something does not build.
pub(crate) fn root_tests() -> Result<()> {
    let list = root_test_list();
    // Where they do not build, nobody takes the last ones for these.
    if list.exists() {
        std::fs::remove_file(&list).with_context(|| format!("remove {}", list.display()))?;
    }
    // Each ends with one crate alone that takes long (an init, the server, the largest test), so both at a time are sooner
    // done. They have other folders in `target`, and none waits for the other's lock.
    let messages = std::thread::scope(|scope| {
        let programs = scope.spawn(|| {
            netroot()?;
            for_a_machine("netroot-facts", Processor::X86_64)?;
            for_a_machine("netroot-facts", Processor::Aarch64)
        });
        let messages = test_programs();
        let programs = programs.join().map_err(|_| anyhow!("a thread panicked"))?;
        programs.and(messages)
    })?;
    let programs: Vec<String> = messages
        .lines()
        .filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            // The programs of the package are built as well.
            let kinds = message.get("target")?.get("kind")?.as_array()?;
            if !kinds.iter().any(|kind| kind == "test") {
                return None;
            }
            Some(message.get("executable")?.as_str()?.to_owned())
        })
        .collect();
    ensure!(
        programs.len() == ROOT_TESTS.len(),
        "cargo built other tests than {}: {}",
        ROOT_TESTS.join(", "),
        programs.join(", ")
    );
    std::fs::write(&list, programs.join("\n")).with_context(|| format!("write {}", list.display()))
}

/// Builds the test programs: cargo's messages, one JSON object a line.
fn test_programs() -> Result<String> {
    let chosen = ROOT_TESTS.iter().flat_map(|name| ["--test", *name]);
    output(
        Command::new("cargo")
            // With one package alone what it shares with the others has other features, and is built once more for it.
            .args(["test", "--workspace", "--no-run"])
            .args(chosen)
            .args(["--message-format", "json-render-diagnostics"])
            // Only the release build of netroot makes initrds in a test.
            .env("NETROOT_INIT_X86_64", "none")
            .current_dir(paths::workspace()),
    )
}

/// What `cargo test --workspace` has to be told to run all tests but those that need root.
///
/// # Errors
/// When cargo does not say which there are.
pub(crate) fn unit_test_arguments() -> Result<Vec<String>> {
    let metadata = output(
        Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(paths::workspace()),
    )?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("read cargo's metadata")?;
    let mut names: Vec<&str> = metadata
        .get("packages")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|package| package.get("targets")?.as_array())
        .flatten()
        .filter(|target| target.get("kind") == Some(&serde_json::json!(["test"])))
        .filter_map(|target| target.get("name")?.as_str())
        .filter(|name| !ROOT_TESTS.contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    ensure!(!names.is_empty(), "cargo's metadata has no tests");
    let all = ["--lib", "--bins"];
    let names = names.into_iter().flat_map(|name| ["--test", name]);
    Ok(all.into_iter().chain(names).map(str::to_owned).collect())
}

/// The test programs that [`root_tests`] built last.
///
/// # Errors
/// When they have not been built.
pub(crate) fn built_root_tests() -> Result<Vec<PathBuf>> {
    let list = root_test_list();
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("read {}: `cargo xtask test` writes it", list.display()))?;
    Ok(text.lines().map(PathBuf::from).collect())
}

fn root_test_list() -> PathBuf {
    paths::target().join("root-tests.list")
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run(&mut cargo_build(arguments))
}

fn cargo_build(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--quiet"])
        .args(arguments)
        .current_dir(paths::workspace());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulator_is_a_unit_test_and_virtual_machines_are_not() {
        let arguments = unit_test_arguments().unwrap();
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        assert!(has("--lib") && has("sim") && has("limits"), "{arguments:?}");
        assert!(!ROOT_TESTS.iter().any(|name| has(name)), "{arguments:?}");
    }
}
