//! `cargo xtask test --aarch64-server`: the server on aarch64, built on x86_64 by Debian's cross compiler.

use std::time::Instant;

use anyhow::Result;

use super::check::{Outcome, cargo, passed, run_check, sum_up};
use crate::architecture::Architecture;
use crate::root_tests::{OnDemand, Processors, RootTests, Which};
use crate::run::run;
use crate::{build, package, setup};

const ARM64: Architecture = Architecture::Arm64;

/// The crates of the server whose tests QEMU's user mode can run. It has no `openat2`, by which the others open what is beneath
/// a root, and emulates some of the socket options and file handles of `netroot-sys` otherwise than Linux.
const CRATES: [&str; 9] = [
    "netroot-efi",
    "netroot-kmod",
    "netroot-limits",
    "netroot-net",
    "netroot-printable",
    "netroot-proto",
    "netroot-secure-boot",
    "netroot-spelling",
    "netroot-uki",
];

/// Runs them all, even after one has failed, and sums up.
///
/// # Errors
/// When one failed.
pub(crate) fn show() -> Result<()> {
    let (began, processors) = (Instant::now(), Processors::now());
    let mut results = vec![run_check("set-up", || {
        setup::run_for_aarch64_server()?;
        Ok(passed())
    })];
    if results.iter().all(|set_up| set_up.result.is_ok()) {
        results.push(run_check(
            "unit tests without files, by QEMU's user mode",
            unit_tests,
        ));
        results.push(run_check("Debian package for arm64", || {
            let file = package::make(ARM64)?;
            Ok(Outcome::Passed(file.display().to_string()))
        }));
        results.push(run_check("a machine that serves", || {
            build::root_tests()?;
            let tests = RootTests::start(Which::OnDemand(OnDemand::Aarch64Server))?;
            Ok(Outcome::Passed(tests.finish()?.judge()?))
        }));
    }
    sum_up(&results, began, &processors)
}

/// What `cargo xtask test` says of them: building it takes longer than the other checks together.
pub(super) fn on_demand() -> Result<Outcome> {
    Ok(Outcome::NotDone(
        "on demand: `cargo xtask test --aarch64-server` builds it, and runs those of its unit tests that QEMU can and a machine that serves"
            .to_owned(),
    ))
}

fn unit_tests() -> Result<Outcome> {
    let mut tests = cargo(&[
        "test",
        "--quiet",
        "--no-fail-fast",
        "--target",
        ARM64.target(),
    ]);
    tests.args(CRATES.iter().flat_map(|name| ["-p", name]));
    // What is built only for tests of programs that start others needs no translation.
    tests.args(["--lib", "--test", "sim"]);
    build::cross(&mut tests, ARM64);
    run(tests
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("qemu-aarch64-static -L /usr/{}", ARM64.gnu()),
        )
        .env("NETROOT_INIT_X86_64", "none"))?;
    Ok(passed())
}
