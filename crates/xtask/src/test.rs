//! `cargo xtask test`: every check there is, each with its duration.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Accel, paths};

use crate::long_tests::LongTests;
use crate::privileges::needs_root;
use crate::run::{output, run};
use crate::{build, setup};

/// The bounds of what a machine loads before its root, in bytes.
const INIT_LIMIT: u64 = 900 * 1024;
const VIRTIO_IMAGE_LIMIT: u64 = 1_800 * 1024;
const NETBOOT_IMAGE_LIMIT: u64 = 10 * 1024 * 1024;

/// What `init` is made of, by name. A new crate in PID 1 is a decision: it is made here.
const INIT_MAY_HOLD: &str = include_str!("../init-crates.txt");

type Check = fn() -> Result<Outcome>;

enum Outcome {
    /// It passed, with what else there is to say.
    Passed(String),
    /// It could not be done, and why.
    NotDone(String),
}

struct CheckResult {
    name: &'static str,
    took: Duration,
    result: Result<Outcome>,
}

/// What the long tests need before they can begin.
const BEFORE: [(&str, Check); 2] = [
    ("formatting", formatting),
    ("tests that need root: build", root_tests_build),
];
/// What goes on beside the long tests, which mostly wait.
const BESIDE: [(&str, Check); 9] = [
    ("netroot, init for both processors, their sizes", init_size),
    ("clippy", clippy),
    ("documentation", documentation),
    ("licences and advisories", licences),
    ("what init is made of", init_tree),
    ("unit tests", unit_tests),
    ("image sizes", image_sizes),
    ("kernel configuration", kernel_configuration),
    ("tests that need root", root_tests),
];

/// Runs every check, also after one failed, and sums up.
///
/// # Errors
/// When a check failed.
pub(crate) fn all() -> Result<()> {
    let began = Instant::now();
    setup::run_for_tests()?;
    let mut results = vec![CheckResult {
        name: "set-up",
        took: began.elapsed(),
        result: Ok(passed()),
    }];
    results.extend(BEFORE.map(|(name, check)| run_check(name, check)));
    let start = Instant::now();
    let long = LongTests::start();
    results.extend(BESIDE.map(|(name, check)| run_check(name, check)));
    let mut waited = run_check("long tests, beside the others", || {
        Ok(Outcome::Passed(long?.finish()?))
    });
    waited.took = start.elapsed();
    results.push(waited);
    println!("\n== summary");
    for result in &results {
        println!("{}", result.line());
    }
    println!("total {:.0} s", began.elapsed().as_secs_f64());
    let failed = results.iter().filter(|check| check.result.is_err());
    match failed.count() {
        0 => Ok(()),
        1 => bail!("a check failed"),
        count => bail!("{count} checks failed"),
    }
}

fn run_check(name: &'static str, check: impl FnOnce() -> Result<Outcome>) -> CheckResult {
    println!("\n== {name}");
    let start = Instant::now();
    let result = check();
    let took = start.elapsed();
    let result = CheckResult { name, took, result };
    println!("{}", result.line());
    result
}

impl CheckResult {
    fn line(&self) -> String {
        let took = self.took.as_secs_f64();
        let (word, more) = match &self.result {
            Ok(Outcome::Passed(more)) => ("ok", more.clone()),
            Ok(Outcome::NotDone(why)) => ("NOT DONE", why.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        format!("{word:<8} {took:>6.1} s  {}  {more}", self.name)
            .trim_end()
            .to_owned()
    }
}

fn passed() -> Outcome {
    Outcome::Passed(String::new())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(paths::workspace());
    command
}

fn formatting() -> Result<Outcome> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    Ok(passed())
}

fn clippy() -> Result<Outcome> {
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

/// Links that lead nowhere are errors.
fn documentation() -> Result<Outcome> {
    run(cargo(&["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(passed())
}

fn licences() -> Result<Outcome> {
    if output(&mut cargo(&["deny", "--version"])).is_err() {
        let why = "cargo-deny is not installed (`cargo install cargo-deny`)";
        return Ok(Outcome::NotDone(why.to_owned()));
    }
    run(&mut cargo(&["deny", "check"]))?;
    Ok(passed())
}

fn init_size() -> Result<Outcome> {
    let size_here = size(&build::carried_init()?)?;
    let size_there = size(&build::aarch64_init()?)?;
    // The bound is for x86_64.
    within(size_here, INIT_LIMIT, "init for x86_64")?;
    Ok(Outcome::Passed(format!(
        "x86_64: {} KiB, aarch64: {} KiB",
        size_here / 1024,
        size_there / 1024
    )))
}

fn init_tree() -> Result<Outcome> {
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
        "init holds what crates/xtask/init-crates.txt does not list: {}",
        strangers.join(", ")
    );
    Ok(Outcome::Passed(format!("{} crates", holds.len())))
}

fn unit_tests() -> Result<Outcome> {
    run(&mut cargo(&["test", "--quiet"]))?;
    Ok(passed())
}

fn image_sizes() -> Result<Outcome> {
    let folder = paths::target().join("images");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut sizes = Vec::new();
    for (modules, limit) in [
        ("virtio_net", VIRTIO_IMAGE_LIMIT),
        ("netboot", NETBOOT_IMAGE_LIMIT),
    ] {
        let image = folder.join(format!("{modules}.img"));
        crate::image::make(modules, &image)?;
        let size = size(&image)?;
        within(size, limit, &format!("the initrd with {modules}"))?;
        sizes.push(format!("{modules}: {} KiB", size / 1024));
    }
    Ok(Outcome::Passed(sizes.join(", ")))
}

fn kernel_configuration() -> Result<Outcome> {
    let (version, _) = paths::debian_kernel()?;
    let file = paths::debian_root().join(format!("boot/config-{version}"));
    run(Command::new(paths::netroot()?)
        .arg("check-kernel")
        .arg(file))?;
    Ok(passed())
}

fn root_tests_build() -> Result<Outcome> {
    build::root_tests()?;
    Ok(passed())
}

fn root_tests() -> Result<Outcome> {
    only_root_tests()?;
    Ok(passed())
}

/// Runs the tests that take minutes of waiting, and nothing else.
///
/// # Errors
/// When something is missing, this is not root, or a test fails.
pub(crate) fn long() -> Result<()> {
    setup::run_for_tests()?;
    build::root_tests()?;
    println!("{}", LongTests::start()?.finish()?);
    Ok(())
}

/// Runs the test programs of `tests/` as they were built.
///
/// # Errors
/// When this is not root, or a test fails.
pub(crate) fn only_root_tests() -> Result<()> {
    needs_root(
        "these tests make network namespaces",
        "test --only-root-tests",
    )?;
    let accel = Accel::probe();
    println!("virtual machines run by {}", accel.name());
    let mut failed = Vec::new();
    for program in build::built_root_tests()? {
        let result = run(Command::new(&program)
            // Two machines at a time: more would only wait for each other's processor.
            .args(["--test-threads", "2"])
            .env("NETROOT_ACCEL", accel.name())
            // An error names its place itself.
            .env("RUST_BACKTRACE", "0")
            .current_dir(paths::workspace()));
        if let Err(error) = result {
            failed.push(format!("{error:#}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path)
        .with_context(|| format!("look at {}", path.display()))?
        .len())
}

fn within(size: u64, limit: u64, what: &str) -> Result<()> {
    ensure!(
        size <= limit,
        "{what} is {size} bytes, more than the {limit} that it may be"
    );
    Ok(())
}
