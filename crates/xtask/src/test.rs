//! `cargo xtask test`: every check, with its duration.

mod aarch64_server;
mod check;
mod dependencies;
mod sizes;
mod style;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use netroot_harness::paths;

pub(crate) use self::aarch64_server::show as aarch64_server;
use self::check::{Check, CheckResult, Outcome, cargo, passed, run_check, sum_up};
use crate::architecture::Architecture;
use crate::control_group::OwnGroup;
use crate::privileges::needs_root;
use crate::root_tests::{OnDemand, Processors, RootTests, Which, table};
use crate::run::{output, run};
use crate::setup::distribution_kernels::{DistributionKernel, FetchedKernel, LinuxVersion};
use crate::{build, fuzz, kernel, package, setup};

/// The checks of `--quick`: they find most mistakes within three minutes, without root.
const QUICK: [(&str, Check); 4] = [
    ("formatting", style::formatting),
    ("clippy", style::clippy),
    ("circles between modules", style::circles),
    ("unit tests and simulator", unit_tests),
];
/// Without it nothing else is run.
const SET_UP: &str = "set-up: what machines boot, and tools";
/// The other kernels of a few tests. One that cannot be fetched fails here, and nothing else does.
const KERNELS: [(&str, DistributionKernel); 2] = [
    ("Debian 11's kernel", DistributionKernel::Old),
    (
        "the newest kernel of the backports",
        DistributionKernel::New,
    ),
];
/// Some of the tests that need root install it.
const PACKAGE: (&str, Check) = ("Debian package", debian_package);
/// What runs alongside the tests that need root, many of which wait.
const BESIDE: [(&str, Check); 15] = [
    (
        "netroot, init for both processors, their sizes",
        sizes::init,
    ),
    ("clippy", style::clippy),
    ("circles between modules", style::circles),
    ("documentation", style::documentation),
    ("licences and sources", dependencies::licences),
    ("advisories", dependencies::advisories),
    ("what init is made of", dependencies::init_crates),
    ("unit tests and simulator", unit_tests),
    ("fuzzing", fuzzing),
    ("initrd sizes", sizes::initrds),
    ("kernel configuration", kernel_configuration),
    ("kernel-config merged", || {
        Ok(Outcome::Passed(kernel::check()?))
    }),
    ("kernel without modules", kernel_without_modules),
    ("server on aarch64", aarch64_server::on_demand),
    ("arm64's root under Secure Boot, to its login", || {
        let how =
            "on demand: `cargo xtask test --aarch64-secure-boot` boots it on an emulated processor";
        Ok(Outcome::NotDone(how.to_owned()))
    }),
];

/// Runs the quick checks, even after one has failed, and sums up.
///
/// # Errors
/// When a check failed.
pub(crate) fn quick() -> Result<()> {
    let (began, processors) = (Instant::now(), Processors::now());
    let _counted = OwnGroup::enter();
    let results = QUICK.map(|(name, check)| run_check(name, check));
    sum_up(&results, began, &processors)
}

/// Runs every check, even after one has failed, and sums up.
///
/// # Errors
/// When a check failed.
pub(crate) fn all() -> Result<()> {
    let (began, processors) = (Instant::now(), Processors::now());
    let _counted = OwnGroup::enter();
    let kernels = KERNELS.map(|(_, kernel)| kernel);
    let mut results = vec![
        run_check("formatting", style::formatting),
        run_check("set-up: what builds need", || {
            setup::run_for_builds_of_tests(&kernels)?;
            Ok(passed())
        }),
    ];
    if results
        .iter()
        .any(|check| check.name != "formatting" && check.result.is_err())
    {
        return sum_up(&results, began, &processors);
    }
    // The rest is mostly fetched, and the processors are free for the longest build, which the longest tests wait for.
    let (build, (rest, kernels)) = std::thread::scope(|scope| {
        let build = scope.spawn(|| run_check("tests that need root: build", root_tests_build));
        let rest = the_rest_of_the_set_up();
        (build.join(), rest)
    });
    // What it used is told with the build.
    results.extend(rest.into_iter().map(|check| CheckResult {
        used: None,
        ..check
    }));
    results.push(build.map_err(|_| anyhow!("a thread panicked"))?);
    if results
        .iter()
        .any(|check| check.name == SET_UP && check.result.is_err())
    {
        return sum_up(&results, began, &processors);
    }
    let (start, meanwhile) = (Instant::now(), Processors::now());
    let root_tests = RootTests::start(Which::All(kernels));
    let (name, check) = PACKAGE;
    let package = run_check(name, check);
    match &root_tests {
        Ok(root_tests) => root_tests.package_is_made(package.result.is_ok()),
        Err(error) => println!("the tests that need root do not start: {error:#}"),
    }
    results.push(package);
    results.extend(BESIDE.map(|(name, check)| run_check(name, check)));
    let waited = run_check("tests that need root, alongside the others", || {
        Ok(Outcome::Passed(root_tests?.finish()?.judge()?))
    });
    results.push(CheckResult {
        took: start.elapsed(),
        idle: meanwhile.idle(),
        // Theirs is in the text.
        used: None,
        ..waited
    });
    sum_up(&results, began, &processors)
}

/// What machines boot, and the tools of the checks, once the host has its packages; and the kernels that could be fetched.
fn the_rest_of_the_set_up() -> (Vec<CheckResult>, Vec<FetchedKernel>) {
    let mut fetched = Vec::new();
    let mut results = vec![run_check(SET_UP, || {
        setup::run_for_tests(&KERNELS.map(|(_, kernel)| kernel))?;
        Ok(passed())
    })];
    if results.iter().any(|set_up| set_up.result.is_err()) {
        return (results, fetched);
    }
    for (name, kernel) in KERNELS {
        results.push(run_check(name, || {
            let kernel = fetch(&kernel)?;
            let version = kernel.version.clone();
            fetched.push(kernel);
            Ok(Outcome::Passed(version))
        }));
    }
    (results, fetched)
}

fn unit_tests() -> Result<Outcome> {
    let arguments = build::unit_test_arguments()?;
    let tests = ["test", "--quiet", "--workspace", "--no-fail-fast"];
    let result = run(cargo(&tests).args(arguments));
    run(&mut cargo(&["test", "--quiet", "--workspace", "--doc"]))?;
    result?;
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
    let architecture = Architecture::of_this_machine()?;
    let first = std::fs::read(package::make(architecture)?)?;
    let file = package::make(architecture)?;
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

/// Runs only the tests that wait for minutes.
///
/// # Errors
/// When something is missing, this is not root, or a test fails.
pub(crate) fn long() -> Result<()> {
    setup::run_for_tests(&[])?;
    build::root_tests()?;
    println!("{}", RootTests::start(Which::Waiting)?.finish()?.judge()?);
    Ok(())
}

/// Runs only the tests that boot Debian's root for arm64 to its login under Secure Boot.
///
/// # Errors
/// As [`long`].
pub(crate) fn aarch64_secure_boot() -> Result<()> {
    setup::run_for_aarch64_secure_boot()?;
    build::root_tests()?;
    let tests = RootTests::start(Which::OnDemand(OnDemand::Aarch64SecureBoot))?;
    println!("{}", tests.finish()?.judge()?);
    Ok(())
}

fn fetch(kernel: &DistributionKernel) -> Result<FetchedKernel> {
    setup::run_for_kernels(std::slice::from_ref(kernel))?;
    kernel.fetched()
}

/// Runs the tests that boot machines with Debian's kernel with these versions instead, or with both ends of what there
/// is, and writes a table of what differs. With `few` only those that [`all`] runs with other kernels.
///
/// # Errors
/// When something is missing (a kernel is, before any test runs), this is not root, or a test fails.
pub(crate) fn kernels(versions: Vec<LinuxVersion>, few: bool) -> Result<()> {
    let kernels = DistributionKernel::of(versions);
    setup::run_for_tests(&kernels)?;
    setup::run_for_kernels(&kernels)?;
    let kernels = kernels.iter().map(DistributionKernel::fetched);
    let kernels: Vec<FetchedKernel> = kernels.collect::<Result<_>>()?;
    build::root_tests()?;
    let which = match few {
        true => Which::FewWithKernels(kernels),
        false => Which::Kernels(kernels),
    };
    let summary = RootTests::start(which)?.finish()?;
    let table = table(&summary.rows());
    let file = paths::target().join("kernels.md");
    std::fs::write(&file, &table).with_context(|| format!("write {}", file.display()))?;
    println!("\n{table}\nwritten to {}", file.display());
    println!("{}", summary.judge()?);
    Ok(())
}

/// Runs the tests that need root, but those that wait for minutes, without rebuilding them.
///
/// # Errors
/// When this is not root, or a test fails.
pub(crate) fn only_root_tests() -> Result<()> {
    let processors = Processors::now();
    let summary = RootTests::start(Which::Others)?.finish()?.judge()?;
    println!(
        "{summary}; the processors were idle for {:.0} % of the time",
        processors.idle() * 100.0
    );
    Ok(())
}
