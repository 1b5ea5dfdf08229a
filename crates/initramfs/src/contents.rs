//! What an initrd contains besides the init, as data: `initrd/contents.toml`, or a file like it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use netroot_kmod::{module_name, path_matches};
use serde::Deserialize;

use crate::driver_kind::DriverKind;

/// The built-in file.
const BUILT_IN: &str = include_str!("../../../initrd/contents.toml");

/// The set of modules for every wired NIC.
pub(crate) const NETBOOT: &str = "netboot";

/// What goes into an initrd; `initrd/contents.toml` explains each part.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contents {
    /// Absolute paths of directories.
    pub directories: Vec<String>,
    /// Device nodes.
    #[serde(rename = "device")]
    pub devices: Vec<Device>,
    /// Symbolic links.
    #[serde(rename = "symlink")]
    pub symlinks: Vec<Symlink>,
    /// Files copied from the root.
    #[serde(rename = "file")]
    pub files: Vec<ExtraFile>,
    /// Named sets of modules.
    #[serde(rename = "set")]
    pub sets: BTreeMap<String, ModuleSet>,
    /// Modules that belong together although no dependency says so.
    #[serde(rename = "with")]
    pub companions: Vec<Companions>,
    /// Which firmware is left out.
    pub firmware: FirmwareFilter,
}

/// A character device node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Absolute path.
    pub path: String,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
}

/// A symbolic link.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// Absolute path of the link.
    pub path: String,
    /// Its target.
    pub target: String,
}

/// A file of the root to be included in the initrd.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraFile {
    /// Absolute path in the initrd.
    pub path: String,
    /// Absolute path in the root.
    pub from: String,
    /// Permission bits.
    #[serde(default = "readable")]
    pub mode: u32,
}

fn readable() -> u32 {
    0o644
}

/// A named set of modules.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModuleSet {
    /// A short description.
    pub about: String,
    /// Whether every initrd contains it.
    pub always: bool,
    /// Required modules, in the tree or built into the kernel.
    pub modules: Vec<String>,
    /// Modules that are included if the kernel has them.
    pub optional: Vec<String>,
    /// Patterns of paths in the module tree, without `.ko` and the compression suffix.
    pub paths: Vec<String>,
    /// Patterns of paths of the drivers of PHYs: like `paths`, but the initrd for one NIC contains them only if its driver
    /// needs a PHY's.
    pub phys: Vec<String>,
    /// Patterns of paths to be excluded from `paths`, `phys` and `drivers`.
    pub except: Vec<String>,
    /// Kinds of drivers that are included wherever they lie, if they did not come with the kernel.
    pub drivers: Vec<DriverKind>,
    /// Patterns of paths where the kernel's own modules are looked at for `drivers`, too.
    pub look_into: Vec<String>,
}

impl ModuleSet {
    /// Whether `stem` (such as `kernel/drivers/net/dummy`) matches [`ModuleSet::paths`] or [`ModuleSet::phys`] and is not
    /// excluded.
    pub(crate) fn matches_path(&self, stem: &str) -> bool {
        let matches = |pattern: &String| path_matches(pattern, stem);
        (self.paths.iter().any(matches) && !self.excludes(stem)) || self.matches_phy(stem)
    }

    /// Whether `stem` matches [`ModuleSet::phys`] and is not excluded.
    pub(crate) fn matches_phy(&self, stem: &str) -> bool {
        let matches = |pattern: &String| path_matches(pattern, stem);
        self.phys.iter().any(matches) && !self.excludes(stem)
    }

    /// Whether the kernel's own module `name` at `stem` is in the set, wherever that lists it.
    pub(crate) fn has(&self, name: &str, stem: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|one| module_name(one) == name);
        named(&self.modules) || named(&self.optional) || self.matches_path(stem)
    }

    /// Whether `stem` matches [`ModuleSet::except`].
    pub(crate) fn excludes(&self, stem: &str) -> bool {
        let matches = |pattern: &String| path_matches(pattern, stem);
        self.except.iter().any(matches)
    }

    /// Whether `stem` matches [`ModuleSet::look_into`].
    pub(crate) fn looks_into(&self, stem: &str) -> bool {
        let matches = |pattern: &String| path_matches(pattern, stem);
        self.look_into.iter().any(matches)
    }
}

/// Modules that go with a module.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Companions {
    /// The module.
    pub module: String,
    /// Modules that the init loads before it.
    pub pre: Vec<String>,
    /// Modules that the init loads after it.
    pub post: Vec<String>,
    /// Modules that are included as well.
    pub also: Vec<String>,
    /// The drivers of the only PHYs that a NIC's driver is used with; all, if it is empty.
    pub phys: Vec<String>,
}

/// Which firmware is left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirmwareFilter {
    /// Patterns of names below `/lib/firmware`.
    pub except: Vec<String>,
}

/// What is wrong with a contents file.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The file cannot be read.
    #[error("cannot read the initrd contents from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or an invalid value.
    #[error("{name} is not a valid contents file")]
    Parse {
        /// The file's name, or `initrd/contents.toml` for the built-in one.
        name: String,
        /// Line, column, and what was expected.
        source: Box<toml::de::Error>,
    },
    /// A path that is not absolute, or that contains `..`.
    #[error("{name}: {path:?} must be an absolute path without . and ..")]
    Path {
        /// The file's name.
        name: String,
        /// The path.
        path: String,
    },
}

impl Contents {
    /// The built-in contents: `initrd/contents.toml`.
    ///
    /// # Errors
    /// None in practice: a test parses it.
    pub fn built_in() -> Result<Contents, ContentsError> {
        Contents::parse("initrd/contents.toml", BUILT_IN)
    }

    /// Reads a contents file.
    ///
    /// # Errors
    /// See [`ContentsError`].
    pub fn read(path: &Path) -> Result<Contents, ContentsError> {
        let text = std::fs::read_to_string(path).map_err(|source| ContentsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Contents::parse(&path.display().to_string(), &text)
    }

    /// Parses the text of a contents file; `name` is for messages.
    ///
    /// # Errors
    /// [`ContentsError::Parse`] and [`ContentsError::Path`].
    pub fn parse(name: &str, text: &str) -> Result<Contents, ContentsError> {
        let mut contents: Contents =
            toml::from_str(text).map_err(|source| ContentsError::Parse {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        let paths = (contents.directories.iter())
            .chain(contents.devices.iter().map(|device| &device.path))
            .chain(contents.symlinks.iter().map(|link| &link.path))
            .chain(contents.files.iter().map(|file| &file.path));
        for path in paths {
            if !is_absolute(path) {
                return Err(ContentsError::Path {
                    name: name.to_owned(),
                    path: path.clone(),
                });
            }
        }
        for companions in &mut contents.companions {
            companions.module = module_name(&companions.module);
        }
        Ok(contents)
    }
}

fn is_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_contents_have_what_the_init_expects() {
        let contents = Contents::built_in().unwrap();
        for directory in [
            "/proc",
            "/sys",
            "/dev",
            "/run",
            "/newroot",
            "/etc",
            "/lib/firmware",
        ] {
            assert!(
                contents.directories.iter().any(|path| path == directory),
                "{directory}"
            );
        }
        let devices: Vec<_> = contents
            .devices
            .iter()
            .map(|device| {
                (
                    device.path.as_str(),
                    device.major,
                    device.minor,
                    device.mode,
                )
            })
            .collect();
        assert_eq!(
            devices,
            [("/dev/console", 5, 1, 0o600), ("/dev/null", 1, 3, 0o666)]
        );
        for set in ["nfs", "overlay", "packet"] {
            assert!(contents.sets[set].always, "{set}");
        }
        let netboot = &contents.sets["netboot"];
        assert!(!netboot.always);
        assert!(netboot.matches_path("kernel/drivers/net/ethernet/intel/e1000e/e1000e"));
        assert!(netboot.matches_path("kernel/drivers/net/usb/r8152"));
        assert!(!netboot.matches_path("kernel/drivers/net/usb/qmi_wwan"));
        assert!(!netboot.matches_path("kernel/drivers/net/wireless/intel/iwlwifi/iwlwifi"));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let error =
            Contents::parse("my.toml", "directories = []\n[set.x]\nmodule = ['a']\n").unwrap_err();
        assert_eq!(error.to_string(), "my.toml is not a valid contents file");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            cause.contains("line 3") && cause.contains("module"),
            "{cause}"
        );
    }

    #[test]
    fn a_path_with_dots_is_refused() {
        for path in ["/a/../b", "a", "/a//b", "/a/", "/"] {
            let text = format!("directories = [{path:?}]");
            let error = Contents::parse("x", &text).unwrap_err();
            assert!(matches!(error, ContentsError::Path { .. }), "{path}");
        }
    }
}
