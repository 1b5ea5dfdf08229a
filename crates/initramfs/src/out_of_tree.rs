//! Modules that did not come with the kernel: built by DKMS, from a vendor's package, or links into another kernel's
//! tree (`weak-updates/`). What they drive is read from the files, since their folders do not tell.
//!
//! A root may hold anything there. What cannot be used is left out with the reason, and everything is bounded.

use std::collections::BTreeSet;
use std::fmt;

use netroot_kmod::{module_name, module_stem};

use crate::contents::ModuleSet;
use crate::decompress::decompress;
use crate::driver_kind::{DriverKind, Recognised, other_network, recognise, uses_phylib};
use crate::kernel::Kernel;
use crate::modinfo;
use crate::module_index::index::{Index, Module};
use crate::root_tree::{RootTree, RootTreeError};

/// The size limit of a module, in bytes: ample even with debug sections.
pub(crate) const MAX_MODULE_SIZE: u64 = 256 << 20;
/// The most modules that are read for what they drive. Machines have some dozens that did not come with the kernel.
const MOST_READ: usize = 500;
/// The most names that are looked at in the folders of such modules, and the deepest folder.
const MOST_NAMES: usize = 20_000;
const DEEPEST: usize = 12;

/// The library for PHYs, and what is between it and some drivers.
const PHYLIB: [&str; 2] = ["libphy", "phylink"];

/// Why a module is not in an initrd, although it is in a set or may have been meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyLeftOut {
    /// There is no file, or a link that leads nowhere.
    NoFile,
    /// It is in the module tree and not in `modules.dep`.
    NotListed,
    /// It was built for this other kernel, and the kernel would refuse it.
    OtherKernel(String),
    /// It drives another kind of network device, in words: "wireless".
    OtherNetwork(&'static str),
    /// The set excludes it.
    Excluded,
    /// The file cannot be used, in words.
    Unusable(String),
    /// There are too many of them.
    TooMany,
}

impl fmt::Display for WhyLeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("no file, or a link that leads nowhere"),
            Self::NotListed => f.write_str("not in modules.dep: run depmod"),
            Self::OtherKernel(version) => write!(f, "built for kernel {version}"),
            Self::OtherNetwork(what) => f.write_str(what),
            Self::Excluded => f.write_str("no machine boots from it"),
            Self::Unusable(why) => f.write_str(why),
            Self::TooMany => write!(
                f,
                "more than {MOST_READ} modules that are not the kernel's own"
            ),
        }
    }
}

/// A module tree, as far as it matters which modules are the kernel's own.
#[derive(Debug)]
pub(crate) struct ModuleTree<'a> {
    pub(crate) root: &'a RootTree,
    /// Its path in the root.
    pub(crate) path: &'a str,
    pub(crate) kernel: &'a Kernel,
    pub(crate) index: &'a Index,
    /// The paths, without `.ko`, of the modules that were built with the kernel (`modules.order`); empty if that is
    /// not known.
    own: BTreeSet<&'a str>,
}

/// What was found for a set, or for a network card.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Names of modules.
    pub(crate) names: Vec<String>,
    /// Paths below the module tree, or names.
    pub(crate) left_out: Vec<(String, WhyLeftOut)>,
}

impl<'a> ModuleTree<'a> {
    /// `order` is the text of `modules.order`.
    pub(crate) fn new(
        root: &'a RootTree,
        path: &'a str,
        kernel: &'a Kernel,
        index: &'a Index,
        order: &'a str,
    ) -> Self {
        Self {
            root,
            path,
            kernel,
            index,
            own: order.lines().map(|line| module_stem(line.trim())).collect(),
        }
    }

    /// Whether a module came with the kernel, so that its folder tells what it drives.
    fn is_own(&self, stem: &str) -> bool {
        if self.own.is_empty() {
            return stem.starts_with("kernel/");
        }
        self.own.contains(stem)
    }

    /// Whether the place of a module tells what it drives.
    pub(crate) fn is_placed_by_kernel(&self, set: &ModuleSet, module: &Module) -> bool {
        self.is_own(module.stem()) && !set.looks_into(module.stem())
    }

    /// Whether `set` has this module, which is for a network card.
    pub(crate) fn drives_a_nic(
        &self,
        set: &ModuleSet,
        name: &str,
        module: &Module,
    ) -> Result<bool, WhyLeftOut> {
        let stem = module.stem();
        if self.is_placed_by_kernel(set, module) {
            return Ok(set.has(name, stem));
        }
        let as_own = as_in_the_kernel(stem);
        let drives = self.look_at(module, set.matches_path(&as_own), &[DriverKind::Nic])?;
        match drives && set.excludes(&as_own) {
            true => Err(WhyLeftOut::Excluded),
            false => Ok(drives),
        }
    }

    /// Whether a driver leaves its PHYs to the kernel's library for them (phylib), which has a driver for each.
    pub(crate) fn uses_phylib(&self, driver: &str) -> bool {
        let Ok(with) = self.index.closure([driver.to_owned()], |_| Vec::new()) else {
            return false;
        };
        if PHYLIB.iter().any(|library| with.modules.contains(*library)) {
            return true;
        }
        // It may be built into the kernel: then only the symbols that are used of it tell.
        let modules = with
            .modules
            .iter()
            .filter_map(|name| self.index.module(name));
        modules.into_iter().any(|module| {
            let path = format!("{}/{}", self.path, module.path);
            let file = self.root.read(&path, MAX_MODULE_SIZE).ok();
            let file = file.and_then(|file| decompress(file, MAX_MODULE_SIZE).ok());
            file.is_some_and(|file| uses_phylib(&modinfo::used_symbols(&file)))
        })
    }

    /// The modules that `set` asks for by what they drive.
    pub(crate) fn find(&self, set: &ModuleSet) -> Found {
        let mut found = Found::default();
        if set.drivers.is_empty() {
            return found;
        }
        let drivers = self.index.names_with_devices();
        let mut read = 0;
        for (name, module) in self.index.modules() {
            let stem = module.stem();
            let looked_into = set.looks_into(stem);
            if self.is_placed_by_kernel(set, module) || !drivers.contains(name) {
                continue;
            }
            // OFED and others keep the kernel's folders below their own.
            let as_own = as_in_the_kernel(stem);
            if read == MOST_READ {
                found
                    .left_out
                    .push((module.path.clone(), WhyLeftOut::TooMany));
                break;
            }
            read += 1;
            match self.look_at(module, set.matches_path(&as_own), &set.drivers) {
                Ok(true) if set.excludes(&as_own) => {
                    let why = WhyLeftOut::Excluded;
                    found.left_out.push((module.path.clone(), why));
                }
                Ok(true) => found.names.push(name.to_owned()),
                Ok(false) => {}
                // The kernel's own wireless drivers are no news.
                Err(WhyLeftOut::OtherNetwork(_)) if looked_into => {}
                Err(why) => found.left_out.push((module.path.clone(), why)),
            }
        }
        self.find_unlisted(&mut found);
        found.left_out.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }

    /// Whether a module is of one of these kinds.
    fn look_at(
        &self,
        module: &Module,
        by_path: bool,
        kinds: &[DriverKind],
    ) -> Result<bool, WhyLeftOut> {
        let unusable = |error: &dyn fmt::Display| WhyLeftOut::Unusable(error.to_string());
        let path = format!("{}/{}", self.path, module.path);
        let file = match self.root.read(&path, MAX_MODULE_SIZE) {
            Ok(file) => file,
            Err(error) if error.is_absent() => return Err(WhyLeftOut::NoFile),
            Err(RootTreeError::NotAFile { .. }) => {
                return Err(unusable(&"not a regular file"));
            }
            Err(error) => return Err(unusable(&error)),
        };
        let file = decompress(file, MAX_MODULE_SIZE).map_err(|error| unusable(&error))?;
        let recognised = match by_path {
            true => Recognised::Nothing,
            false => match recognise(&modinfo::used_symbols(&file)) {
                Recognised::Driver(kind) => match other_network(&module.needs) {
                    Some(what) => Recognised::OtherNetwork(what),
                    None => Recognised::Driver(kind),
                },
                other => other,
            },
        };
        match recognised {
            Recognised::Driver(kind) if kinds.contains(&kind) => {}
            Recognised::OtherNetwork(what) => return Err(WhyLeftOut::OtherNetwork(what)),
            Recognised::Nothing if by_path => {}
            Recognised::Driver(_) | Recognised::Nothing => return Ok(false),
        }
        let architecture = self.kernel.architecture;
        if modinfo::elf_machine(&file) != Some(architecture.elf_machine()) {
            return Err(unusable(&format_args!("not a module for {architecture}")));
        }
        match refused_version(&file, &self.kernel.version) {
            Some(version) => Err(WhyLeftOut::OtherKernel(version.to_owned())),
            None => Ok(true),
        }
    }

    /// Modules in the tree that `modules.dep` does not have: `depmod` skips links that lead nowhere.
    fn find_unlisted(&self, found: &mut Found) {
        let listed: BTreeSet<&str> = self.index.modules().map(|(_, m)| m.path.as_str()).collect();
        let mut names_left = MOST_NAMES;
        let top = self.root.names_in(self.path).unwrap_or_default();
        // `build` and `source` are links to the kernel's headers.
        let top = top
            .into_iter()
            .filter(|name| !matches!(name.as_str(), "kernel" | "build" | "source" | "vdso"));
        let mut open: Vec<(String, usize)> = top.map(|name| (name, 1)).collect();
        while let Some((inside, depth)) = open.pop() {
            let Some(left) = names_left.checked_sub(1) else {
                return;
            };
            names_left = left;
            let path = format!("{}/{inside}", self.path);
            if is_module(&inside) {
                if listed.contains(inside.as_str()) {
                    continue;
                }
                let is_there = self.root.open_file(&path).is_ok();
                if !is_there {
                    found.left_out.push((inside, WhyLeftOut::NoFile));
                } else if self.index.module(&module_name(&inside)).is_none() {
                    found.left_out.push((inside, WhyLeftOut::NotListed));
                }
            } else if depth < DEEPEST && self.root.has_directory(&path) {
                let names = self.root.names_in(&path).unwrap_or_default();
                let names = names.into_iter().take(names_left);
                open.extend(names.map(|name| (format!("{inside}/{name}"), depth + 1)));
            }
        }
    }
}

/// The kernel that a module was built for, if `version` is another one and refuses it therefore.
pub(crate) fn refused_version<'m>(module: &'m [u8], version: &str) -> Option<&'m str> {
    let built_for = modinfo::built_for(module)?;
    (built_for != version && !modinfo::has_symbol_versions(module)).then_some(built_for)
}

/// `extra/mlnx-ofa_kernel/drivers/net/ethernet/x` as `kernel/drivers/net/ethernet/x`.
fn as_in_the_kernel(stem: &str) -> String {
    match stem.find("drivers/") {
        Some(at) => format!("kernel/{}", stem.get(at..).unwrap_or_default()),
        None => stem.to_owned(),
    }
}

fn is_module(path: &str) -> bool {
    let endings = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];
    endings.iter().any(|ending| path.ends_with(ending))
}
