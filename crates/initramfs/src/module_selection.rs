//! From the requested list (`netboot`, `this-machine`, `e1000e,r8169`) to names of modules.

use std::convert::Infallible;
use std::path::Path;
use std::str::FromStr;

use netroot_kmod::module_name;
use netroot_net::PciId;

use crate::build_error::BuildError;
use crate::contents::{Contents, ModuleSet, NETBOOT};
use crate::driver_kind::DriverKind;
use crate::kernel::Kernel;
use crate::local_nics;
use crate::module_index::index::{Index, Resolved};
use crate::nic_drivers::drivers_of;
use crate::out_of_tree::{ModuleTree, WhyLeftOut};

/// The NICs of the machine that builds the initrd.
const THIS_MACHINE: &str = "this-machine";
/// Precedes the numbers of a network card: `pci:8086:10d3`.
const PCI: &str = "pci:";

/// Which modules an initrd contains besides the sets that are in every initrd: names of sets, modules and aliases,
/// network cards by their numbers (`pci:8086:10d3`), or `this-machine`, in any combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSelection(Vec<String>);

impl Default for ModuleSelection {
    /// The set `netboot`.
    fn default() -> ModuleSelection {
        ModuleSelection(vec![NETBOOT.to_owned()])
    }
}

impl ModuleSelection {
    /// The same for one network card instead of every one; `None` if this selection is not for every one, so that
    /// something else was asked for.
    #[must_use]
    pub fn for_nic(&self, nic: PciId) -> Option<Self> {
        let items = self.0.iter();
        let one = |item: &String| match item.as_str() {
            NETBOOT => format!("{PCI}{nic}"),
            _ => item.clone(),
        };
        self.is_for_every_nic()
            .then(|| Self(items.map(one).collect()))
    }

    /// Whether it has the set for every wired NIC.
    #[must_use]
    pub fn is_for_every_nic(&self) -> bool {
        self.0.iter().any(|item| item == NETBOOT)
    }
}

impl FromStr for ModuleSelection {
    type Err = Infallible;

    /// A comma-separated list, as for `--modules`. An empty one adds nothing to what every initrd contains.
    fn from_str(text: &str) -> Result<ModuleSelection, Infallible> {
        Ok(ModuleSelection(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        ))
    }
}

impl std::fmt::Display for ModuleSelection {
    /// The list as given; it parses back to the same value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// The names of the selected modules, built-in ones included.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SelectedModules {
    pub(crate) names: Vec<String>,
    /// Optional modules of a set that the kernel does not have.
    pub(crate) absent: Vec<String>,
    /// Modules that a set may have been meant to have: paths below the module tree.
    pub(crate) left_out: Vec<(String, WhyLeftOut)>,
}

/// Selects from the modules of `tree`.
pub(crate) fn select(
    choice: &ModuleSelection,
    contents: &Contents,
    tree: &ModuleTree<'_>,
    sys: &Path,
) -> Result<SelectedModules, BuildError> {
    let (index, kernel) = (tree.index, tree.kernel);
    let mut selection = SelectedModules::default();
    let always = contents.sets.iter().filter(|(_, set)| set.always);
    for (name, set) in always {
        add_set(&mut selection, name, set, tree)?;
    }
    for item in &choice.0 {
        if let Some(set) = contents.sets.get(item) {
            add_set(&mut selection, item, set, tree)?;
        } else if item == THIS_MACHINE {
            add_local_nics(&mut selection, index, kernel, sys)?;
        } else if let Some(nic) = nic(item) {
            let found = drivers_of(nic, contents, tree)?;
            add_phys(&mut selection, &found.names, contents, tree);
            selection.names.extend(found.names);
            selection.left_out.extend(found.left_out);
        } else {
            match index.resolve(item) {
                Resolved::Modules(names) | Resolved::BuiltIn(names) => {
                    selection.names.extend(names)
                }
                Resolved::Unknown => {
                    let names = contents.sets.keys().map(String::as_str);
                    let suggestion = index.suggestion(item, names.chain([THIS_MACHINE]));
                    return Err(BuildError::UnknownModule {
                        name: item.clone(),
                        version: kernel.version.clone(),
                        suggestion: suggestion.map(str::to_owned),
                    });
                }
            }
        }
    }
    Ok(selection)
}

/// A network card by its numbers.
fn nic(item: &str) -> Option<PciId> {
    item.strip_prefix(PCI)?.parse().ok()
}

/// Adds the drivers of the PHYs that a NIC with these drivers may have: no module depends on them, since the kernel
/// requests a PHY's driver when it has found the PHY.
fn add_phys(
    selection: &mut SelectedModules,
    drivers: &[String],
    contents: &Contents,
    tree: &ModuleTree<'_>,
) {
    let with = |driver: &&String| {
        let mut with = contents.companions.iter();
        with.find(|with| module_name(&with.module) == **driver && !with.phys.is_empty())
    };
    let (known, open): (Vec<&String>, Vec<&String>) =
        drivers.iter().partition(|driver| with(driver).is_some());
    let only = known.iter().filter_map(with).flat_map(|with| &with.phys);
    for name in only {
        if let Resolved::Modules(names) | Resolved::BuiltIn(names) = tree.index.resolve(name) {
            selection.names.extend(names);
        }
    }
    let Some(set) = contents.sets.get(NETBOOT) else {
        return;
    };
    if !open.iter().any(|driver| tree.uses_phylib(driver)) {
        return;
    }
    let index = tree.index;
    let files = index.modules().map(|(name, module)| (name, module.stem()));
    for (name, stem) in files.chain(index.built_in()) {
        if set.matches_phy(stem) {
            selection.names.push(name.to_owned());
        }
    }
    let found = tree.find(&ModuleSet {
        drivers: vec![DriverKind::Phy],
        // The kernel's own drivers of PHYs have their place.
        look_into: Vec::new(),
        ..set.clone()
    });
    selection.names.extend(found.names);
}

fn add_set(
    selection: &mut SelectedModules,
    set_name: &str,
    set: &ModuleSet,
    tree: &ModuleTree<'_>,
) -> Result<(), BuildError> {
    let (index, kernel) = (tree.index, tree.kernel);
    for name in &set.modules {
        match index.resolve(name) {
            Resolved::Modules(names) | Resolved::BuiltIn(names) => selection.names.extend(names),
            Resolved::Unknown => {
                return Err(BuildError::SetLacksModule {
                    set: set_name.to_owned(),
                    name: name.clone(),
                    version: kernel.version.clone(),
                });
            }
        }
    }
    for name in &set.optional {
        match index.resolve(name) {
            Resolved::Modules(names) | Resolved::BuiltIn(names) => selection.names.extend(names),
            Resolved::Unknown => selection.absent.push(name.clone()),
        }
    }
    let files = index.modules().map(|(name, module)| (name, module.stem()));
    for (name, stem) in files.chain(index.built_in()) {
        if set.matches_path(stem) {
            selection.names.push(name.to_owned());
        }
    }
    let found = tree.find(set);
    selection.names.extend(found.names);
    selection.left_out.extend(found.left_out);
    Ok(())
}

fn add_local_nics(
    selection: &mut SelectedModules,
    index: &Index,
    kernel: &Kernel,
    sys: &Path,
) -> Result<(), BuildError> {
    for nic in local_nics::nics(sys)? {
        // The NIC's own device comes first, then the buses above it, which may need no driver (a PCI bridge) or a
        // built-in one.
        let mut driven = false;
        for (level, modalias) in nic.modaliases.iter().enumerate() {
            if let Resolved::Modules(names) | Resolved::BuiltIn(names) = index.resolve(modalias) {
                driven |= level == 0;
                selection.names.extend(names);
            }
        }
        // The module that drives it here counts too: some devices are bound by name.
        if let Some(module) = &nic.module
            && let Resolved::Modules(names) | Resolved::BuiltIn(names) = index.resolve(module)
        {
            driven = true;
            selection.names.extend(names);
        }
        if !driven {
            return Err(BuildError::NicWithoutDriver {
                nic: nic.name,
                device: nic.modaliases.first().cloned().unwrap_or_default(),
                version: kernel.version.clone(),
            });
        }
    }
    Ok(())
}
