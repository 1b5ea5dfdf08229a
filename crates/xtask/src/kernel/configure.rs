//! The configuration of a kernel: a base, the fragments over it, and whether each symbol of theirs is left standing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::fragments::{self, Arch, Wanted, asked};
use super::kconfig::Kconfig;
use crate::run::output;

/// What the fragments are merged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Base {
    /// As little as there is.
    Tinyconfig,
    /// What the kernel's developers suggest.
    Defconfig,
}

impl Base {
    /// The target of `make`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tinyconfig => "tinyconfig",
            Self::Defconfig => "defconfig",
        }
    }
}

/// What a kernel is made of.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) arch: Arch,
    pub(crate) base: Base,
    /// The names of fragments, in the order in which they are merged.
    pub(crate) fragments: Vec<String>,
    /// Symbols that are turned off afterwards.
    pub(crate) without: Vec<String>,
}

impl Recipe {
    /// For virtual machines, without modules.
    pub(crate) fn smallest(arch: Arch) -> Self {
        Self {
            arch,
            base: Base::Tinyconfig,
            fragments: vec![
                "netroot".to_owned(),
                arch.name().to_owned(),
                "virtual-machine".to_owned(),
            ],
            without: Vec::new(),
        }
    }

    /// The same without a symbol.
    pub(super) fn without(&self, symbol: &str) -> Self {
        Self {
            without: vec![symbol.to_owned()],
            ..self.clone()
        }
    }

    /// `make` for this kernel, with the source in `source` and everything that is made in `output`.
    pub(crate) fn make(&self, source: &Path, output: &Path) -> Command {
        let mut make = Command::new("make");
        make.arg("-C").arg(source);
        make.arg(format!("ARCH={}", self.arch.name()));
        make.arg(format!("O={}", output.display()));
        // kconfig asks the compiler what it can do, so it has to be the one that builds. Where only symbols are checked,
        // there may be none for that processor, and this machine's answers.
        if let Some(prefix) = self.arch.cross_compiler() {
            make.arg(format!("CROSS_COMPILE={prefix}"));
        }
        // Neither who builds nor when is part of a kernel, so that the same recipe makes the same bytes.
        make.env("KBUILD_BUILD_TIMESTAMP", "1970-01-01");
        make.env("KBUILD_BUILD_USER", "netroot");
        make.env("KBUILD_BUILD_HOST", "netroot");
        make
    }

    /// Writes `.config` in `folder`, and returns what was lost: a sentence for each symbol.
    ///
    /// # Errors
    /// When kconfig fails, a fragment is missing, or a symbol cannot be turned off.
    pub(crate) fn configure(&self, source: &Path, folder: &Path) -> Result<Vec<String>> {
        self.write_base(source, folder)?;
        self.merge_into_base(source, folder)
    }

    /// Writes the `.config` of the base alone in `folder`.
    ///
    /// # Errors
    /// When kconfig fails.
    pub(super) fn write_base(&self, source: &Path, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        output(self.make(source, folder).args(["-s", self.base.name()]))?;
        Ok(())
    }

    /// Merges the fragments into the base that is the `.config` in `folder`, and returns what was lost: a sentence for each
    /// symbol.
    ///
    /// # Errors
    /// As [`Recipe::configure`].
    pub(super) fn merge_into_base(&self, source: &Path, folder: &Path) -> Result<Vec<String>> {
        let config = folder.join(".config");
        let merged = self.fragments.iter().map(|name| fragments::path(name));
        let mut files: Vec<PathBuf> = merged.collect();
        if !self.without.is_empty() {
            let file = folder.join("without.config");
            let lines = self.without.iter();
            let lines = lines.map(|symbol| format!("# CONFIG_{symbol} is not set\n"));
            std::fs::write(&file, lines.collect::<String>())?;
            files.push(file);
        }
        output(
            Command::new(source.join("scripts/kconfig/merge_config.sh"))
                .args(["-m", "-O"])
                .args([folder, &config])
                .args(files),
        )?;
        output(self.make(source, folder).args(["-s", "olddefconfig"]))?;
        let text = std::fs::read_to_string(&config)
            .with_context(|| format!("read {}", config.display()))?;
        let wanted = fragments::wanted(&self.fragments, self.arch)?;
        lost(&wanted, &self.without, &text, source)
    }
}

/// A symbol that other parts of the kernel select, or that kconfig asks nobody about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CannotBeTurnedOff(String);

impl fmt::Display for CannotBeTurnedOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(symbol) = self;
        write!(
            f,
            "CONFIG_{symbol} cannot be turned off: another symbol selects it, or the processor decides"
        )
    }
}

impl std::error::Error for CannotBeTurnedOff {}

/// A sentence for each symbol that is not as it was asked for. Where some are turned off on purpose, so is what needs them.
fn lost(wanted: &[Wanted], without: &[String], config: &str, source: &Path) -> Result<Vec<String>> {
    for symbol in without {
        if !stands(config, symbol, false) {
            return Err(CannotBeTurnedOff(symbol.clone()).into());
        }
    }
    let mut symbols = wanted.iter();
    let still = symbols.all(|wanted| stands(config, &wanted.symbol, wanted.is_set));
    if still || !without.is_empty() {
        return Ok(Vec::new());
    }
    let kconfig = Kconfig::read(source)?;
    let mut sentences = Vec::new();
    for Wanted { symbol, is_set, .. } in wanted {
        if stands(config, symbol, *is_set) {
            continue;
        }
        sentences.push(match is_set {
            true => format!("CONFIG_{symbol}=y is lost: {}", kconfig.why(symbol, config)),
            false => format!("CONFIG_{symbol} is set again: something selects it"),
        });
    }
    Ok(sentences)
}

/// Whether a symbol is set in a configuration, or is not.
fn stands(config: &str, symbol: &str, is_set: bool) -> bool {
    let mut lines = config.lines().filter_map(asked);
    lines.any(|line| line == (symbol, true)) == is_set
}

/// Fails with the sentences, if there are any.
///
/// # Errors
/// When a symbol was lost.
pub(crate) fn nothing_lost(recipe: &Recipe, lost: &[String]) -> Result<()> {
    ensure!(
        lost.is_empty(),
        "{} for {} with {} loses what kernel-config/ asks for:\n  {}",
        recipe.base.name(),
        recipe.arch.name(),
        recipe.fragments.join(", "),
        lost.join("\n  ")
    );
    Ok(())
}
