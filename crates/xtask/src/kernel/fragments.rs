//! The fragments of `kernel-config/`: which ones a kernel is made of, and what they ask for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use netroot_harness::{Processor, paths};

/// A kernel's processor, in the words of the kernel's `Makefile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit x86.
    #[value(name = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// For `make ARCH=`, and the name of its fragment.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The machines that boot it.
    pub(crate) fn processor(self) -> Processor {
        match self {
            Self::X86_64 => Processor::X86_64,
            Self::Arm64 => Processor::Aarch64,
        }
    }

    /// What `CROSS_COMPILE=` is on a machine with another processor, if that compiler is installed.
    pub(super) fn cross_compiler(self) -> Option<&'static str> {
        let prefix = match self {
            Self::X86_64 => "x86_64-linux-gnu-",
            Self::Arm64 => "aarch64-linux-gnu-",
        };
        let is_other = std::env::consts::ARCH != self.processor().name();
        (is_other && Path::new(&format!("/usr/bin/{prefix}gcc")).exists()).then_some(prefix)
    }

    /// In the head of a configuration, and in a fragment's `# arch:`.
    fn in_notes(self) -> &'static str {
        match self {
            Self::X86_64 => "x86",
            Self::Arm64 => "arm64",
        }
    }
}

/// A symbol that a fragment wants to be set, or not to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Without `CONFIG_`.
    pub(crate) symbol: String,
    pub(crate) is_set: bool,
    /// Whether no machine boots without it.
    pub(crate) is_essential: bool,
    /// What the fragment says of a kernel without it.
    pub(crate) otherwise: String,
}

/// The path of a fragment.
pub(crate) fn path(name: &str) -> PathBuf {
    paths::workspace()
        .join("kernel-config")
        .join(format!("{name}.config"))
}

/// The text of the fragment with this name.
///
/// # Errors
/// When there is none.
pub(crate) fn text(name: &str) -> Result<String> {
    let path = path(name);
    std::fs::read_to_string(&path)
        .with_context(|| format!("there is no fragment {name}: read {}", path.display()))
}

/// What these fragments want of a kernel for `arch`. (`crates/server/src/check_kernel/fragment.rs` reads all of the
/// format; here its mistakes have no place.)
///
/// # Errors
/// When there is no such fragment, or it wants nothing.
pub(crate) fn wanted(names: &[String], arch: Arch) -> Result<Vec<Wanted>> {
    let mut all = Vec::new();
    for name in names {
        let wanted = wanted_by(&text(name)?, arch);
        ensure!(!wanted.is_empty(), "{} wants nothing", path(name).display());
        all.extend(wanted);
    }
    Ok(all)
}

fn wanted_by(text: &str, arch: Arch) -> Vec<Wanted> {
    let mut all = Vec::new();
    let mut is_essential = false;
    // Of the section, and of the next symbol.
    let (mut section, mut own) = (Notes::default(), Notes::default());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            is_essential = heading.starts_with("essential:");
            (section, own) = (Notes::default(), Notes::default());
        } else if let Some((symbol, is_set)) = asked(line) {
            let notes = std::mem::take(&mut own).or(&section);
            if notes.arch.is_none_or(|only| only == arch.in_notes()) {
                all.push(Wanted {
                    symbol: symbol.to_owned(),
                    is_set,
                    is_essential,
                    otherwise: notes.otherwise.unwrap_or_default().to_owned(),
                });
            }
        } else if let Some(text) = line.strip_prefix("# else: ") {
            own.otherwise = Some(text);
        } else if let Some(text) = line.strip_prefix("# arch: ") {
            own.arch = Some(text);
        } else if line.is_empty() {
            section = std::mem::take(&mut own).or(&section);
        }
    }
    all
}

#[derive(Clone, Copy, Default)]
struct Notes<'a> {
    otherwise: Option<&'a str>,
    arch: Option<&'a str>,
}

impl Notes<'_> {
    fn or(self, other: &Self) -> Self {
        Self {
            otherwise: self.otherwise.or(other.otherwise),
            arch: self.arch.or(other.arch),
        }
    }
}

/// A line of a configuration: the symbol, and whether it is set.
pub(super) fn asked(line: &str) -> Option<(&str, bool)> {
    let unset = || line.strip_prefix("# CONFIG_")?.strip_suffix(" is not set");
    match line.strip_prefix("CONFIG_") {
        Some(set) => Some((set.strip_suffix("=y")?, true)),
        None => Some((unset()?, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_fragment_is_left_unread() {
        let folder = path("netroot");
        let mut read = 0;
        for file in std::fs::read_dir(folder.parent().unwrap()).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|name| name != "config") {
                continue;
            }
            read += 1;
            let text = std::fs::read_to_string(&file).unwrap();
            for line in text.lines().filter(|line| !line.is_empty()) {
                let is_text = line.starts_with('#') && !line.starts_with("# CONFIG_");
                assert!(
                    is_text || asked(line).is_some(),
                    "{}: {line}",
                    file.display()
                );
            }
        }
        assert!(read >= 5, "{read}");
    }

    #[test]
    fn a_symbol_of_another_architecture_is_not_wanted() {
        let text = "## essential: x\n# arch: arm64\n\n# who: y\n# else: z\nCONFIG_A=y\n\n\
                    ## any: w\n# else: all\n\n# arch: x86\n# CONFIG_B is not set\n\nCONFIG_C=y\n";
        let names = |arch| -> Vec<(String, bool, String)> {
            let wanted = wanted_by(text, arch).into_iter();
            wanted
                .map(|one| (one.symbol, one.is_set, one.otherwise))
                .collect()
        };
        let one = |symbol: &str, is_set, otherwise: &str| {
            (symbol.to_owned(), is_set, otherwise.to_owned())
        };
        assert_eq!(
            names(Arch::Arm64),
            [one("A", true, "z"), one("C", true, "all")]
        );
        assert_eq!(
            names(Arch::X86_64),
            [one("B", false, "all"), one("C", true, "all")]
        );
    }
}
