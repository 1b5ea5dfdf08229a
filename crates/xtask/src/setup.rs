//! Everything that the other commands need from the machine, installed once.
//!
//! It announces each step with its reason, installs only what is missing, and never
//! asks. Without root it does what it can and prints the commands for the rest.

mod arm64_root;
pub(crate) mod bench_tools;
mod cargo_tools;
mod debian_root;
pub(crate) mod distribution_kernels;
mod distributions;
mod install_step;
pub(crate) mod kernel_source;
mod layer;
mod packages;
mod recipe;
mod recipe_folder;
mod toolchain;

use anyhow::{Result, bail};

use self::distribution_kernels::DistributionKernel;
use self::install_step::InstallStep;
pub(crate) use self::recipe::remove;
use self::recipe_folder::{IPXE_SHIM, NEWEST_DNSMASQ, SIGNED_LOADERS};
use crate::architecture::Architecture;

/// Installs what the other commands need.
///
/// # Errors
/// When a step fails, or when something is missing that needs root and this is not.
pub(crate) fn run() -> Result<()> {
    take(missing()?)
}

/// The same, and what aarch64 machines boot.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_aarch64() -> Result<()> {
    let mut steps = missing()?;
    if let Some(step) = packages::missing_for_aarch64()? {
        steps.push(Box::new(step));
    }
    steps.extend(arm64_root::missing());
    take(steps)
}

/// The same, and what the tests alone need: cargo-deny and cargo-fuzz, more programs in the first root, and the kernel's
/// source. These other kernels are announced and not fetched, so that one that cannot be fetched fails only its own check.
///
/// # Errors
/// As [`run`]; without root, also when a kernel is missing.
pub(crate) fn run_for_tests(kernels: &[DistributionKernel]) -> Result<()> {
    let mut steps = missing_for_builds()?;
    steps.extend(missing_for_tests_alone()?);
    take_before(steps, missing_kernels(kernels))
}

/// The part of [`run_for_tests`] that builds of netroot need; the rest can be installed while they run. All of it is
/// announced.
///
/// # Errors
/// As [`run_for_tests`].
pub(crate) fn run_for_builds_of_tests(kernels: &[DistributionKernel]) -> Result<()> {
    let mut later = missing_for_tests_alone()?;
    later.extend(missing_kernels(kernels));
    take_before(missing_for_builds()?, later)
}

/// What a build needs of the host: compilers and targets. Packages are installed at once.
fn missing_for_builds() -> Result<Vec<Box<dyn InstallStep>>> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    if let Some(step) = packages::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = packages::missing_for_tests()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = toolchain::missing()? {
        steps.push(Box::new(step));
    }
    Ok(steps)
}

fn missing_for_tests_alone() -> Result<Vec<Box<dyn InstallStep>>> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    if let Some(step) = debian_root::missing()? {
        steps.push(Box::new(step));
    }
    for step in cargo_tools::missing() {
        steps.push(Box::new(step));
    }
    if let Some(step) = layer::missing() {
        steps.push(Box::new(step));
    }
    steps.extend(arm64_root::missing());
    if let Some(step) = kernel_source::missing() {
        steps.push(Box::new(step));
    }
    if let Some(step) = distributions::missing() {
        steps.push(Box::new(step));
    }
    if let Some(step) = SIGNED_LOADERS.missing() {
        steps.push(Box::new(step));
    }
    if let Some(step) = IPXE_SHIM.missing() {
        steps.push(Box::new(step));
    }
    Ok(steps)
}

/// Fetches these kernels, if they are not there. They are made of the Debian root of [`run`].
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_kernels(kernels: &[DistributionKernel]) -> Result<()> {
    take(missing_kernels(kernels))
}

fn missing_kernels(kernels: &[DistributionKernel]) -> Vec<Box<dyn InstallStep>> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    for kernel in kernels {
        if let Some(step) = kernel.missing() {
            steps.push(Box::new(step));
        }
    }
    steps
}

/// What `cargo xtask kernel` is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForKernel {
    /// Configure kernels, and build none.
    Configure,
    /// Build one for x86_64.
    Build,
    /// Build one for arm64, on x86_64.
    BuildForArm64,
    /// Build one for x86_64, and boot it.
    Boot,
    /// Build one for arm64, and boot it.
    BootForArm64,
}

/// What a kernel is configured with besides kconfig's own: make and xz come with dpkg-dev, gcc with g++; and what the
/// source is checked with.
const COMPILERS: [&str; 3] = ["dpkg-dev", "g++", "debian-archive-keyring"];

/// What `cargo xtask kernel` needs for that: the kernel's source and what builds it.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_kernel(work: ForKernel) -> Result<()> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    let is_for_arm64 = matches!(work, ForKernel::BuildForArm64 | ForKernel::BootForArm64);
    if matches!(work, ForKernel::Boot | ForKernel::BootForArm64) {
        steps.extend(missing()?);
        // The programs of nfsd are in it.
        if let Some(step) = layer::missing() {
            steps.push(Box::new(step));
        }
    } else if let Some(step) = packages::missing_named(&COMPILERS)? {
        steps.push(Box::new(step));
    }
    if let Some(step) = packages::missing_for_kconfig()? {
        steps.push(Box::new(step));
    }
    if work != ForKernel::Configure
        && let Some(step) = packages::missing_for_kernel(is_for_arm64)?
    {
        steps.push(Box::new(step));
    }
    if let Some(step) = kernel_source::missing() {
        steps.push(Box::new(step));
    }
    if work == ForKernel::BootForArm64 {
        if let Some(step) = packages::missing_for_aarch64()? {
            steps.push(Box::new(step));
        }
        steps.extend(arm64_root::missing());
    }
    take(steps)
}

/// The same as [`run`], and the peers of `cargo xtask bench serve`.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_bench_serve() -> Result<()> {
    let mut steps = missing()?;
    if let Some(step) = packages::missing_for_bench_serve()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = bench_tools::missing() {
        steps.push(Box::new(step));
    }
    if let Some(step) = NEWEST_DNSMASQ.missing() {
        steps.push(Box::new(step));
    }
    take(steps)
}

/// What `cargo xtask fuzz` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_fuzzing() -> Result<()> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    for step in cargo_tools::missing_for_fuzzing() {
        steps.push(Box::new(step));
    }
    take(steps)
}

/// Only what makes the Debian package of netroot, for another architecture if one is given: no virtual machines, no
/// Debian root.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_package(other: Option<Architecture>) -> Result<()> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    if let Some(step) = packages::missing_named(&["dpkg-dev"])? {
        steps.push(Box::new(step));
    }
    if let Some(step) = toolchain::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(other) = other {
        steps.extend(for_cross_compiling(other)?);
    }
    take(steps)
}

/// What `cargo xtask test --aarch64-server` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_aarch64_server() -> Result<()> {
    let mut steps = missing()?;
    if let Some(step) = packages::missing_for_aarch64()? {
        steps.push(Box::new(step));
    }
    steps.extend(arm64_root::missing());
    steps.extend(for_cross_compiling(Architecture::Arm64)?);
    take(steps)
}

/// What `cargo xtask test --aarch64-secure-boot` needs.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_for_aarch64_secure_boot() -> Result<()> {
    let mut steps = missing()?;
    if let Some(step) = packages::missing_for_aarch64()? {
        steps.push(Box::new(step));
    }
    steps.extend(arm64_root::missing());
    if let Some(step) = SIGNED_LOADERS.missing() {
        steps.push(Box::new(step));
    }
    take(steps)
}

/// What builds the server for another architecture.
fn for_cross_compiling(other: Architecture) -> Result<Vec<Box<dyn InstallStep>>> {
    if other != Architecture::Arm64 {
        bail!(
            "a package for {} is made on such a machine: Debian's cross compiler is used for arm64 alone",
            other.name()
        );
    }
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    if let Some(step) = packages::missing_for_arm64_server()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = toolchain::missing_for(other)? {
        steps.push(Box::new(step));
    }
    Ok(steps)
}

fn take(steps: Vec<Box<dyn InstallStep>>) -> Result<()> {
    take_before(steps, Vec::new())
}

/// Takes the steps. Those that are `later` are announced with them, and somebody else takes them, or a user with root.
fn take_before(steps: Vec<Box<dyn InstallStep>>, later: Vec<Box<dyn InstallStep>>) -> Result<()> {
    if steps.is_empty() && later.is_empty() {
        println!("set-up: complete, nothing to install");
        return Ok(());
    }
    println!("set-up: this machine still needs:");
    for line in steps.iter().chain(&later).flat_map(|step| step.plan()) {
        println!("  {line}");
    }
    let is_root = nix::unistd::geteuid().is_root();
    let (ours, mut theirs): (Vec<_>, Vec<_>) = steps
        .into_iter()
        .partition(|step| is_root || !step.needs_root());
    for step in ours {
        for command in step.commands() {
            println!("set-up: $ {command}");
        }
        step.run()?;
    }
    if !is_root {
        theirs.extend(later.into_iter().filter(|step| step.needs_root()));
    }
    if theirs.is_empty() {
        println!("set-up: complete");
        return Ok(());
    }
    let mut commands: Vec<String> = theirs
        .iter()
        .flat_map(|step| step.commands())
        .map(|command| format!("  sudo {command}"))
        .collect();
    // Two steps may be one command.
    commands.dedup();
    bail!(
        "the rest needs root. As root, or with sudo, run:\n{}\nand then this command again",
        commands.join("\n")
    );
}

fn missing() -> Result<Vec<Box<dyn InstallStep>>> {
    let mut steps: Vec<Box<dyn InstallStep>> = Vec::new();
    if let Some(step) = packages::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = toolchain::missing()? {
        steps.push(Box::new(step));
    }
    if let Some(step) = debian_root::missing()? {
        steps.push(Box::new(step));
    }
    Ok(steps)
}

/// Takes this step alone, if it is missing.
fn make(step: Option<impl InstallStep>, what: &str) -> Result<()> {
    if let Some(step) = step {
        return step.run();
    }
    println!("set-up: {what} complete");
    Ok(())
}

/// Makes the Debian root alone: a user without root is asked to run this with sudo.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_debian_root() -> Result<()> {
    make(debian_root::missing()?, "the Debian root is")
}

/// Makes the layer of the tests alone, for the same user.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_tests_layer() -> Result<()> {
    make(layer::missing(), "the layer of the tests is")
}

/// Makes what aarch64 machines boot alone, for the same user.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_arm64() -> Result<()> {
    arm64_root::make()
}

/// Unpacks the programs of Debian 13 alone, for the same user.
///
/// # Errors
/// When they cannot be fetched or unpacked.
pub(crate) fn unpack_distributions() -> Result<()> {
    make(distributions::missing(), "the programs of Debian 13 are")
}

/// Unpacks the boot loaders for machines with Secure Boot alone, for the same user.
///
/// # Errors
/// When they cannot be fetched or unpacked.
pub(crate) fn unpack_signed_loaders() -> Result<()> {
    make(
        SIGNED_LOADERS.missing(),
        "the boot loaders for Secure Boot are",
    )
}

/// Builds the shim that starts iPXE alone, for the same user.
///
/// # Errors
/// When its source cannot be fetched, or does not build.
pub(crate) fn build_ipxe_shim() -> Result<()> {
    make(IPXE_SHIM.missing(), "the shim that starts iPXE is")
}

/// Unpacks the newest dnsmasq alone, for the same user.
///
/// # Errors
/// When it cannot be fetched or unpacked.
pub(crate) fn unpack_newest_dnsmasq() -> Result<()> {
    make(NEWEST_DNSMASQ.missing(), "the newest dnsmasq is")
}
