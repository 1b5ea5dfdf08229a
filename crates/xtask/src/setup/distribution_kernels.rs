//! Other kernels than the Debian root's own: that root with each of them, in `.cache/kernels`, made by
//! `distribution_kernel.sh`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::debian_root::{RECIPE as ROOT_RECIPE, mirror};
use super::install_step::InstallStep;
use super::recipe::{follow, own_command, put_in_place, remove};

const RECIPE: &str = include_str!("distribution_kernel.sh");
/// Debian's suites with kernels, for one that is asked for by its version.
const SUITES: [&str; 7] = [
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "forky",
    "sid",
];

/// A kernel of Debian's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DistributionKernel {
    /// Debian 11's, the oldest that the mirror has.
    Old,
    /// The newest in the backports when it was fetched.
    New,
    /// The newest that begins with this version (`6.12`).
    Version(LinuxVersion),
}

/// A version of Linux, or its beginning: numbers with dots between them. It names a folder of the cache and a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinuxVersion(String);

impl FromStr for LinuxVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        match text.split('.').all(is_number) {
            true => Ok(Self(text.to_owned())),
            false => Err("it is no version of Linux: give one such as 6.12".to_owned()),
        }
    }
}

/// One that has been fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchedKernel {
    /// As `uname -r` has it.
    pub(crate) version: String,
    /// The Debian root with this kernel alone.
    pub(crate) root: PathBuf,
}

impl DistributionKernel {
    /// The newest of each of these versions, or without one an old kernel and a new one.
    pub(crate) fn of(versions: Vec<LinuxVersion>) -> Vec<Self> {
        match versions.is_empty() {
            true => vec![Self::Old, Self::New],
            false => versions.into_iter().map(Self::Version).collect(),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Old => "old",
            Self::New => "new",
            Self::Version(version) => &version.0,
        }
    }

    fn package(&self) -> String {
        match self {
            Self::Old | Self::New => "linux-image-amd64".to_owned(),
            Self::Version(version) => format!("linux-image-{}", version.0),
        }
    }

    fn suites(&self) -> &'static [&'static str] {
        match self {
            Self::Old => &["bullseye"],
            Self::New => &["trixie-backports"],
            Self::Version(_) => &SUITES,
        }
    }

    fn folder(&self) -> PathBuf {
        paths::cache().join("kernels").join(self.name())
    }

    /// It, if `cargo xtask` has fetched it.
    ///
    /// # Errors
    /// When it has not.
    pub(crate) fn fetched(&self) -> Result<FetchedKernel> {
        let folder = self.folder();
        let version = folder.join("version");
        let version = std::fs::read_to_string(&version)
            .with_context(|| format!("read {}: the kernel is not fetched", version.display()))?;
        Ok(FetchedKernel {
            version: version.trim().to_owned(),
            root: folder.join("root"),
        })
    }

    pub(super) fn missing(&self) -> Option<MissingKernel> {
        let made_by = std::fs::read_to_string(stamp(&self.folder())).unwrap_or_default();
        (made_by != wanted()).then(|| MissingKernel(self.clone()))
    }
}

/// Both recipes: the root is made of files of that root.
fn wanted() -> String {
    format!("{ROOT_RECIPE}{RECIPE}")
}

fn stamp(folder: &Path) -> PathBuf {
    folder.join("recipe")
}

/// One that is missing, or was made by other versions of the recipes.
pub(super) struct MissingKernel(DistributionKernel);

impl InstallStep for MissingKernel {
    fn plan(&self) -> Vec<String> {
        vec![format!(
            "the kernel {} of Debian's {} in {}: machines are tested with it as well; about 100 MB to fetch, 400 MB on disk",
            self.0.package(),
            self.0.suites().join(", "),
            self.0.folder().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        match &self.0 {
            DistributionKernel::Old | DistributionKernel::New => {
                vec![own_command("setup --kernels-only")]
            }
            DistributionKernel::Version(version) => {
                vec![own_command(&format!("setup --kernels-only {}", version.0))]
            }
        }
    }

    fn run(&self) -> Result<()> {
        let folder = self.0.folder();
        let kernels = paths::cache().join("kernels");
        std::fs::create_dir_all(&kernels)
            .with_context(|| format!("create {}", kernels.display()))?;
        let unfinished = kernels.join(format!("{}.unfinished", self.0.name()));
        remove(&unfinished)?;
        let (root, package, mirror) = (paths::debian_root(), self.0.package(), mirror());
        let mut arguments: Vec<&OsStr> = vec![
            unfinished.as_ref(),
            root.as_ref(),
            package.as_ref(),
            mirror.as_ref(),
        ];
        arguments.extend(self.0.suites().iter().map(OsStr::new));
        let script = kernels.join(format!("{}.sh", self.0.name()));
        follow(RECIPE, &script, &arguments)?;
        std::fs::remove_file(&script).with_context(|| format!("remove {}", script.display()))?;
        let stamp = stamp(&unfinished);
        std::fs::write(&stamp, wanted()).with_context(|| format!("write {}", stamp.display()))?;
        // Only now: the last one stays where this one cannot be fetched.
        put_in_place(&unfinished, &folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_numbers_and_dots_and_so_names_no_other_folder() {
        for version in ["6", "6.12", "6.1.176"] {
            assert!(version.parse::<LinuxVersion>().is_ok(), "{version}");
        }
        for other in [
            "", ".", "..", "6.", ".6", "6..1", "/", "/tmp", "../x", "old", "new", "6.1-rc1",
        ] {
            let error = other.parse::<LinuxVersion>().unwrap_err();
            assert!(error.contains("such as 6.12"), "{other}");
        }
    }
}
