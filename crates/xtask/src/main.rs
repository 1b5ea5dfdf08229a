//! `cargo xtask`: builds, demonstrates, tests and measures this work tree.

#![forbid(unsafe_code)]

mod architecture;
mod bench;
mod build;
mod circles;
mod control_group;
mod demo;
mod fuzz;
mod initrd;
mod kernel;
mod package;
mod privileges;
mod root_tests;
mod run;
mod setup;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::architecture::Architecture;
use self::setup::distribution_kernels::{DistributionKernel, LinuxVersion};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Build, demonstrate, test and measure this work tree"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Boot a diskless machine to the login prompt of a Debian root over NFS.
    Demo(demo::Demo),
    /// Run every check: style, sizes, unit tests, networks, virtual machines.
    Test {
        /// Run only the quick checks: formatting, clippy, circles between modules, unit tests and the simulator. Takes
        /// less than three minutes once everything is built, needs no root and installs nothing.
        #[arg(long, conflicts_with_all = ["only_root_tests", "long"])]
        quick: bool,
        /// Run only the tests that need root, without rebuilding them.
        #[arg(long)]
        only_root_tests: bool,
        /// Run only the tests that wait for minutes: network managers in a real root, outages. By default they run
        /// alongside the others.
        #[arg(long, conflicts_with = "only_root_tests")]
        long: bool,
        /// Run only the tests that boot machines, with other kernels of Debian's: the newest of each of these versions
        /// (`--kernels 6.12 6.18`), or without one Debian 11's and the newest in the backports. What differs is written
        /// to target/kernels.md. With --quick only those few that every run has with those two.
        #[arg(long, value_name = "VERSION", num_args = 0.., conflicts_with_all = ["only_root_tests", "long"])]
        kernels: Option<Vec<LinuxVersion>>,
        /// Run only what shows the server on aarch64: the unit tests that QEMU's user mode can run; the package for arm64; and a
        /// machine with that processor that serves the package's program. Builds it by Debian's cross compiler, and
        /// takes half an hour on two processors.
        #[arg(long, conflicts_with_all = ["quick", "only_root_tests", "long", "kernels"])]
        aarch64_server: bool,
        /// Run only the tests that boot Debian's root for arm64 under Secure Boot to its login: by PXE and by UEFI HTTP boot
        /// with shim and GRUB, and as a unified kernel image. The processor is emulated, which takes minutes for each.
        #[arg(long, conflicts_with_all = ["quick", "only_root_tests", "long", "kernels", "aarch64_server"])]
        aarch64_secure_boot: bool,
    },
    /// Check that the modules of each crate depend on each other in no circle.
    Circles,
    /// Feed every parser with random input, starting from the inputs in tests/fuzz/corpus. `cargo xtask test` does so
    /// with the same inputs each time, for 10 s each at most.
    Fuzz {
        /// The target, by the name of its file in tests/fuzz/fuzz_targets, or `all`.
        #[arg(default_value = fuzz::ALL)]
        target: String,
        /// How long each target runs, in seconds.
        #[arg(default_value_t = fuzz::SECONDS)]
        seconds: u32,
        /// Add the inputs that reach new code to those in tests/fuzz/corpus.
        #[arg(long)]
        keep: bool,
    },
    /// Measure against a comparable program, in one run.
    #[command(subcommand)]
    Bench(Bench),
    /// Make an initrd for the cached Debian root's kernel.
    Initrd {
        /// Modules to include besides the NFS client: `netboot` (every wired NIC), or names.
        #[arg(long, default_value = "netboot")]
        modules: String,
        /// The file to write.
        #[arg(short, long, default_value = "target/initrd.img")]
        output: PathBuf,
    },
    Kernel(kernel::Kernel),
    /// Build the Debian package of netroot.
    ///
    /// The package holds the program with the init for x86_64 and aarch64 in it, a systemd unit, manual pages,
    /// completions for bash, zsh and fish, and /etc/netroot/netroot.conf. It is written to target/package, or for arm64
    /// to target/package-arm64. The same sources and toolchain give the same package, bit for bit: its time stamps are
    /// SOURCE_DATE_EPOCH, by default the time of the last commit.
    Package {
        /// The architecture that it is for [default: this machine's]. One for another is built by Debian's cross compiler.
        #[arg(long, value_enum)]
        arch: Option<Architecture>,
    },
    /// Install what the other commands need. They run this first.
    Setup {
        /// Make only the Debian root.
        #[arg(long)]
        debian_root_only: bool,
        /// Make only the layer that the tests put over that root: network managers and servers.
        #[arg(long, conflicts_with = "debian_root_only")]
        tests_layer_only: bool,
        /// Fetch only the other kernels that machines are tested with: those of these versions, or without one the two
        /// of `cargo xtask test`.
        #[arg(long, value_name = "VERSION", num_args = 0.., conflicts_with_all = ["debian_root_only", "tests_layer_only"])]
        kernels_only: Option<Vec<LinuxVersion>>,
        /// Make only what aarch64 machines boot: a Debian root for arm64, and iPXE.
        #[arg(long, conflicts_with_all = ["debian_root_only", "tests_layer_only", "kernels_only"])]
        arm64_only: bool,
        /// Unpack only the programs of Debian 13 that tests make roots of other distributions from.
        #[arg(long, conflicts_with_all = ["debian_root_only", "tests_layer_only", "kernels_only", "arm64_only"])]
        distributions_only: bool,
        /// Unpack only the boot loaders that machines with Secure Boot are tested with: Debian 13's and iPXE 2.0.
        #[arg(long, conflicts_with_all = ["debian_root_only", "tests_layer_only", "kernels_only", "arm64_only", "distributions_only"])]
        signed_loaders_only: bool,
        /// Build only the shim that starts iPXE where tests have it signed.
        #[arg(long, conflicts_with_all = ["debian_root_only", "tests_layer_only", "kernels_only", "arm64_only", "distributions_only", "signed_loaders_only"])]
        ipxe_shim_only: bool,
        /// Unpack only the newest dnsmasq, which `bench serve` compares netroot with.
        #[arg(long, conflicts_with_all = ["debian_root_only", "tests_layer_only", "kernels_only", "arm64_only", "distributions_only", "signed_loaders_only", "ipxe_shim_only"])]
        newest_dnsmasq_only: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Time and memory from the kernel's "Run /init" to the root's init, compared with initramfs-tools' boot=nfs.
    Boot(bench::boot::Options),
    /// NFS calls, bytes and time of a boot of the Debian root to its login, by the options of its mount.
    Calls(bench::calls::Options),
    /// TFTP, HTTP and DHCP, and 200 machines at once, compared with dnsmasq, atftpd, tftpd-hpa, rs-tftpd, nginx and Kea.
    Serve(bench::serve::Options),
    /// The NFS export, call by call, compared with NFS-Ganesha and, in a virtual machine, with Linux's nfsd; a recorded boot by
    /// 1, 10 and 100 machines at once.
    Nfs(bench::nfs::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo(demo) => demo.run(),
        Task::Test {
            kernels: Some(versions),
            quick,
            ..
        } => test::kernels(versions, quick),
        Task::Test { quick: true, .. } => test::quick(),
        Task::Test { long: true, .. } => test::long(),
        Task::Test {
            aarch64_server: true,
            ..
        } => test::aarch64_server(),
        Task::Test {
            aarch64_secure_boot: true,
            ..
        } => test::aarch64_secure_boot(),
        Task::Test {
            only_root_tests: true,
            ..
        } => test::only_root_tests(),
        Task::Test { .. } => test::all(),
        Task::Circles => {
            println!("no circle in {} files", circles::check()?);
            Ok(())
        }
        Task::Fuzz {
            target,
            seconds,
            keep,
        } => {
            setup::run_for_fuzzing()?;
            fuzz::fuzz(&target, seconds, fuzz::Inputs::Random { keep })?;
            Ok(())
        }
        Task::Bench(Bench::Boot(options)) => bench::boot::run_bench(&options),
        Task::Bench(Bench::Calls(options)) => bench::calls::run_bench(&options),
        Task::Bench(Bench::Serve(options)) => bench::serve::run_bench(&options),
        Task::Bench(Bench::Nfs(options)) => bench::nfs::run_bench(&options),
        Task::Initrd { modules, output } => {
            setup::run()?;
            build::netroot()?;
            initrd::make(&modules, &output)?;
            println!("{}", output.display());
            Ok(())
        }
        Task::Kernel(kernel) => kernel.run(),
        Task::Package { arch } => {
            let this = Architecture::of_this_machine()?;
            let arch = arch.unwrap_or(this);
            setup::run_for_package((arch != this).then_some(arch))?;
            println!("{}", package::make(arch)?.display());
            Ok(())
        }
        Task::Setup {
            debian_root_only: true,
            ..
        } => setup::make_debian_root(),
        Task::Setup {
            tests_layer_only: true,
            ..
        } => setup::make_tests_layer(),
        Task::Setup {
            kernels_only: Some(versions),
            ..
        } => setup::run_for_kernels(&DistributionKernel::of(versions)),
        Task::Setup {
            arm64_only: true, ..
        } => setup::make_arm64(),
        Task::Setup {
            distributions_only: true,
            ..
        } => setup::unpack_distributions(),
        Task::Setup {
            signed_loaders_only: true,
            ..
        } => setup::unpack_signed_loaders(),
        Task::Setup {
            ipxe_shim_only: true,
            ..
        } => setup::build_ipxe_shim(),
        Task::Setup {
            newest_dnsmasq_only: true,
            ..
        } => setup::unpack_newest_dnsmasq(),
        Task::Setup { .. } => setup::run(),
    }
}
