//! `cargo xtask kernel`: the smallest network boot, a kernel without modules and an initrd that holds `init` alone.

mod boot;
mod build;
mod configure;
mod fragments;
mod kconfig;
mod without;
mod without_table;

use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use netroot_harness::{BareExport, paths};

pub(crate) use self::configure::{Base, Recipe, nothing_lost};
pub(crate) use self::fragments::Arch;
use self::without::Symbols;

use crate::build as programs;
use crate::privileges::needs_root;
use crate::setup::{self, ForKernel, kernel_source};

const EXAMPLES: &str = "\
Examples:
  cargo xtask kernel
      tinyconfig with kernel-config/netroot.config, x86_64.config and virtual-machine.config, built once, and booted.
  cargo xtask kernel --check
      Only whether every fragment stands in tinyconfig and in defconfig, for x86_64 and arm64; nothing is built.
  cargo xtask kernel --base defconfig --fragment nics --fragment secure
      A kernel for real machines, harder to attack; it takes half an hour on two cores.
  cargo xtask kernel --arch arm64
      The same for arm64, built by Debian's cross compiler and booted in QEMU's machine `virt`.
  cargo xtask kernel --without NFS_V3 --without PACKET
      Two kernels, one without each: what a machine says, beside what `netroot check-kernel` says of such a kernel.
  cargo xtask kernel --without-each
      One kernel after the other, each without one essential symbol, into the table kernel-config/without.md. What has
      a row there is not done again.";

/// Build a kernel that needs no modules, and boot it with an initrd that holds init alone.
///
/// The source is Debian's package of the kernel that the tests' machines boot. The fragments of kernel-config/ are merged
/// into a base by the kernel's own merge_config.sh, and each symbol of theirs has to be left standing. What is built is
/// kept in .cache/kernels under a hash of the source's version and the fragments. A virtual machine then boots it to the
/// login of the Debian root, over netroot's export and by NFSv4 from NFS-Ganesha and from Linux's nfsd, and then the
/// distribution's kernel with netroot's initrd.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Kernel {
    /// What the fragments are merged into.
    #[arg(long, value_enum, default_value_t = Base::Tinyconfig)]
    base: Base,
    /// The kernel's processor. One for arm64 is built by gcc-aarch64-linux-gnu on another processor.
    #[arg(long, value_enum, default_value_t = Arch::X86_64)]
    arch: Arch,
    /// One more fragment of kernel-config/, beside netroot, the processor's and virtual-machine: nics, secure, modules.
    #[arg(long, value_name = "NAME")]
    fragment: Vec<String>,
    /// Only check that every symbol of every fragment is left standing.
    #[arg(long, conflicts_with_all = ["without", "without_each", "no_boot", "base", "arch", "fragment", "jobs"])]
    check: bool,
    /// Build it, and do not boot it. Needs no root.
    #[arg(long)]
    no_boot: bool,
    /// Build a kernel without this symbol, boot it, and show what the machine says beside what `netroot check-kernel`
    /// says. May be repeated. For an essential symbol it is written to kernel-config/without.md, too.
    #[arg(long, value_name = "SYMBOL", conflicts_with = "without_each")]
    without: Vec<String>,
    /// The same for each essential symbol that has no row in kernel-config/without.md yet. What a symbol changes is built
    /// anew: a few files, or nearly all, so that this takes hours.
    #[arg(long)]
    without_each: bool,
    /// How many compilers run at a time [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Build no netroot, and install nothing.
    #[arg(long, hide = true)]
    built: bool,
}

impl Kernel {
    /// Does what the options say.
    ///
    /// # Errors
    /// When a symbol is lost, the kernel does not build, or the machine does not reach its login.
    pub(crate) fn run(&self) -> Result<()> {
        if self.check {
            setup::run_for_kernel(ForKernel::Configure)?;
            println!("kernel: {}", check()?);
            return Ok(());
        }
        let recipe = self.recipe();
        let symbols = self.symbols_to_leave_out(&recipe)?;
        if !self.built {
            setup::run_for_kernel(match (self.arch, self.no_boot) {
                (Arch::X86_64, true) => ForKernel::Build,
                (Arch::X86_64, false) => ForKernel::Boot,
                (Arch::Arm64, true) => ForKernel::BuildForArm64,
                (Arch::Arm64, false) => ForKernel::BootForArm64,
            })?;
        }
        let jobs = self
            .jobs
            .or_else(|| std::thread::available_parallelism().ok());
        let jobs = jobs.map_or(1, NonZeroUsize::get);
        let kernel = recipe.build(jobs)?;
        println!(
            "kernel: {} KiB: {}",
            kernel.size()? / 1024,
            kernel.image().display()
        );
        if self.no_boot {
            return symbols.map_or(Ok(()), |symbols| without::build(&recipe, &symbols, jobs));
        }
        if !self.built {
            programs::netroot()?;
        }
        needs_root("a boot makes network namespaces", &self.arguments())?;
        match symbols {
            None => boot::beside_the_distributions(&kernel, self.arch),
            Some(symbols) => without::table(&recipe, &kernel, &symbols, jobs),
        }
    }

    fn recipe(&self) -> Recipe {
        let mut recipe = Recipe::smallest(self.arch);
        recipe.base = self.base;
        recipe.fragments.extend(self.fragment.iter().cloned());
        recipe
    }

    /// The command line that boots the same without building netroot. The kernel is built.
    fn arguments(&self) -> String {
        let mut words = vec!["kernel --built".to_owned()];
        if let Some(value) = self.base.to_possible_value() {
            words.push(format!("--base {}", value.get_name()));
        }
        if self.arch != Arch::X86_64 {
            words.push(format!("--arch {}", self.arch.name()));
        }
        words.extend(
            self.fragment
                .iter()
                .map(|name| format!("--fragment {name}")),
        );
        words.extend(
            self.without
                .iter()
                .map(|symbol| format!("--without {symbol}")),
        );
        if self.without_each {
            words.push("--without-each".to_owned());
        }
        if let Some(jobs) = self.jobs {
            words.push(format!("--jobs {jobs}"));
        }
        words.join(" ")
    }

    /// None if it is the whole kernel that is booted.
    fn symbols_to_leave_out(&self, recipe: &Recipe) -> Result<Option<Symbols>> {
        let wanted = fragments::wanted(&recipe.fragments, recipe.arch)?;
        if self.without_each {
            let essential = wanted.into_iter().filter(|wanted| wanted.is_essential);
            return Ok(Some(Symbols::Each(essential.collect())));
        }
        let named = self.without.iter().map(|name| {
            let symbol = name.trim_start_matches("CONFIG_");
            match wanted.iter().find(|wanted| wanted.symbol == symbol) {
                Some(wanted) => Ok(wanted.clone()),
                None => bail!(
                    "{name} is in none of the fragments {}: name a symbol of theirs, or add its fragment with --fragment",
                    recipe.fragments.join(", ")
                ),
            }
        });
        let named: Vec<_> = named.collect::<Result<_>>()?;
        Ok((!named.is_empty()).then_some(Symbols::Named(named)))
    }
}

/// The fragments that are not part of the smallest kernel.
const MORE: [&str; 3] = ["nics", "secure", "modules"];

/// Whether every symbol of all fragments is left standing, in both bases and for both processors.
///
/// # Errors
/// When one is lost: with what it depends on.
pub(crate) fn check() -> Result<String> {
    let source = kernel_source::folder().join("kconfig");
    // One, so that kconfig's own programs are built once.
    let folder = paths::target().join("kernels/check");
    let mut count = 0;
    for arch in Arch::ALL {
        let smallest = Recipe::smallest(arch);
        let mut all = smallest.clone();
        all.fragments.extend(MORE.map(str::to_owned));
        // A real machine's, to which the one for virtual machines lends nothing.
        let mut real = all.clone();
        real.fragments.retain(|name| name != "virtual-machine");
        count = fragments::wanted(&all.fragments, arch)?.len();
        for base in [Base::Tinyconfig, Base::Defconfig] {
            let with = |recipe: &Recipe| Recipe {
                base,
                ..recipe.clone()
            };
            // kconfig takes longest for the base, which is the same for all.
            let config = folder.join(".config");
            with(&smallest).write_base(&source, &folder)?;
            let written = std::fs::read(&config);
            let written = written.with_context(|| format!("read {}", config.display()))?;
            for recipe in [&smallest, &real, &all] {
                let recipe = with(recipe);
                std::fs::write(&config, &written)
                    .with_context(|| format!("write {}", config.display()))?;
                let lost = recipe.merge_into_base(&source, &folder)?;
                nothing_lost(&recipe, &lost)?;
            }
        }
    }
    Ok(format!(
        "{count} symbols stand in tinyconfig and defconfig of Linux {}, for x86_64 and arm64",
        kernel_source::version()?
    ))
}

/// Boots the smallest kernel if it is built, as `cargo xtask test` does: `None` if it is not.
///
/// # Errors
/// When the machine does not reach its login.
pub(crate) fn boot_if_built() -> Result<Option<String>> {
    let Some(kernel) = Recipe::smallest(Arch::X86_64).built()? else {
        return Ok(None);
    };
    Ok(Some(
        boot::to_the_login(&kernel, Arch::X86_64, BareExport::Own)?.to_string(),
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        kernel: Kernel,
    }

    #[test]
    fn the_command_for_root_asks_for_the_same_kernel() {
        let given = "xtask --base defconfig --fragment nics --fragment secure --without NFS_V3 --without PACKET --jobs 3";
        let line = Line::try_parse_from(given.split(' ')).unwrap();
        let again = line.kernel.arguments();
        let options = given.strip_prefix("xtask ").unwrap();
        assert_eq!(again, format!("kernel --built {options}"));
        let each = Line::try_parse_from(["xtask", "--without-each"]).unwrap();
        let expected = "kernel --built --base tinyconfig --without-each";
        assert_eq!(each.kernel.arguments(), expected);
        let arm64 = Line::try_parse_from(["xtask", "--arch", "arm64"]).unwrap();
        let expected = "kernel --built --base tinyconfig --arch arm64";
        assert_eq!(arm64.kernel.arguments(), expected);
    }

    #[test]
    fn what_is_always_checked_is_not_chosen() {
        for more in [
            "--base=defconfig",
            "--arch=arm64",
            "--fragment=nics",
            "--jobs=1",
        ] {
            let given = Line::try_parse_from(["xtask", "--check", more]);
            assert!(given.is_err(), "{more}");
        }
        assert!(Line::try_parse_from(["xtask", "--check"]).is_ok());
    }
}
