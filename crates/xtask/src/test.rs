//! `cargo xtask test`: every check, with its duration.

mod check;
mod dependencies;
mod sizes;
mod style;

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use netroot_harness::{Accel, paths};

use self::check::{
    Cargo, Check, CheckResult, Outcome, cargo, cargo_without_init, passed, run_check, sum_up,
};
use crate::long_tests::LongTests;
use crate::privileges::needs_root;
use crate::run::{output, run};
use crate::{build, fuzz, kernel, package, setup};

/// The checks of `--quick`: they find most mistakes within three minutes, without root.
const QUICK: [(&str, Check); 4] = [
    ("formatting", style::formatting),
    ("clippy", || style::clippy(cargo_without_init)),
    ("circles between modules", style::circles),
    ("unit tests and simulator", || {
        unit_tests(cargo_without_init)
    }),
];
/// What the long tests need before they can start.
const BEFORE: [(&str, Check); 2] = [
    ("formatting", style::formatting),
    ("tests that need root: build", root_tests_build),
];
/// What runs alongside the long tests, which mostly wait.
const BESIDE: [(&str, Check); 15] = [
    (
        "netroot, init for both processors, their sizes",
        sizes::init,
    ),
    // Before the tests that install it.
    ("Debian package", debian_package),
    ("clippy", || style::clippy(cargo)),
    ("circles between modules", style::circles),
    ("documentation", style::documentation),
    ("licences and sources", dependencies::licences),
    ("advisories", dependencies::advisories),
    ("what init is made of", dependencies::init_crates),
    ("unit tests and simulator", || unit_tests(cargo)),
    ("fuzzing", fuzzing),
    ("initrd sizes", sizes::initrds),
    ("kernel configuration", kernel_configuration),
    ("kernel-config merged", || {
        Ok(Outcome::Passed(kernel::check()?))
    }),
    ("kernel without modules", kernel_without_modules),
    ("tests that need root", root_tests),
];

/// Runs the quick checks, even after one has failed, and sums up.
///
/// # Errors
/// When a check failed.
pub(crate) fn quick() -> Result<()> {
    let began = Instant::now();
    let results = QUICK.map(|(name, check)| run_check(name, check));
    sum_up(&results, began)
}

/// Runs every check, even after one has failed, and sums up.
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
    let mut waited = run_check("long tests, alongside the others", || {
        Ok(Outcome::Passed(long?.finish()?))
    });
    waited.took = start.elapsed();
    results.push(waited);
    sum_up(&results, began)
}

fn unit_tests(cargo: Cargo) -> Result<Outcome> {
    run(&mut cargo(&["test", "--quiet"]))?;
    Ok(passed())
}

fn fuzzing() -> Result<Outcome> {
    if let Err(error) = output(Command::new("cargo-fuzz").arg("--version")) {
        return Ok(Outcome::NotDone(format!("no cargo-fuzz: {error:#}")));
    }
    let done = fuzz::fuzz(fuzz::ALL, fuzz::SECONDS, fuzz::Inputs::Repeatable)?;
    let inputs: u64 = done.iter().map(|fuzzed| fuzzed.inputs).sum();
    Ok(Outcome::Passed(format!(
        "{inputs} inputs for {} parsers",
        done.len()
    )))
}

fn kernel_configuration() -> Result<Outcome> {
    let (version, _) = paths::debian_kernel()?;
    let file = paths::debian_root().join(format!("boot/config-{version}"));
    run(Command::new(paths::netroot()?)
        .arg("check-kernel")
        .arg(file))?;
    Ok(passed())
}

/// A kernel takes longer to build than the other checks together, so `cargo xtask kernel` does that.
fn kernel_without_modules() -> Result<Outcome> {
    needs_root("this makes network namespaces", "test")?;
    Ok(match kernel::boot_if_built()? {
        Some(boot) => Outcome::Passed(boot),
        None => Outcome::NotDone(
            "on demand: `cargo xtask kernel` builds the kernel of today's kernel-config/, boots it, and keeps it for this check"
                .to_owned(),
        ),
    })
}

/// Makes it twice: the second is the same, bit for bit.
fn debian_package() -> Result<Outcome> {
    let first = std::fs::read(package::make()?)?;
    let file = package::make()?;
    ensure!(
        std::fs::read(&file)? == first,
        "{} is another one when it is made again",
        file.display()
    );
    Ok(Outcome::Passed(format!("{} KiB", first.len() / 1024)))
}

fn root_tests_build() -> Result<Outcome> {
    build::root_tests()?;
    Ok(passed())
}

fn root_tests() -> Result<Outcome> {
    only_root_tests()?;
    Ok(passed())
}

/// Runs only the tests that wait for minutes.
///
/// # Errors
/// When something is missing, this is not root, or a test fails.
pub(crate) fn long() -> Result<()> {
    setup::run_for_tests()?;
    build::root_tests()?;
    println!("{}", LongTests::start()?.finish()?);
    Ok(())
}

/// Runs the test programs of `tests/` without rebuilding them.
///
/// # Errors
/// When this is not root, or a test fails.
pub(crate) fn only_root_tests() -> Result<()> {
    needs_root(
        "these tests make network namespaces",
        "test --only-root-tests",
    )?;
    let accel = Accel::probe();
    println!("virtual machines run under {}", accel.name());
    let mut failed = Vec::new();
    for program in build::built_root_tests()? {
        let result = run(Command::new(&program)
            // Two machines at a time: more would only compete for the CPUs.
            .args(["--test-threads", "2"])
            .env("NETROOT_ACCEL", accel.name())
            // Errors contain their location.
            .env("RUST_BACKTRACE", "0")
            .current_dir(paths::workspace()));
        if let Err(error) = result {
            failed.push(format!("{error:#}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}
