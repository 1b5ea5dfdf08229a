//! Which drivers a kernel has for a network card, by the numbers by which a boot loader knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use netroot_net::PciId;

use crate::build_error::BuildError;
use crate::contents::{Contents, ModuleSet, NETBOOT};
use crate::index_files::{read_index, read_order};
use crate::kernel::Kernel;
use crate::module_index::index::{Index, Resolved};
use crate::module_index::pci::PciPattern;
use crate::out_of_tree::{Found, ModuleTree};
use crate::root_tree::RootTree;

/// The longest [`NicDriver`], in bytes: it is part of file names.
const LONGEST_NAME: usize = 80;
/// Virtio's NIC (`VIRTIO_ID_NET`, include/uapi/linux/virtio_ids.h), on whichever bus its device is.
const VIRTIO_NIC: &str = "virtio:d00000001v00001AF4";
/// The vendor of virtio devices on the PCI bus. All of them are driven by one module, which makes the devices of virtio's
/// own bus.
const VIRTIO_VENDOR: u16 = 0x1af4;

/// The drivers of a network card, by name: `e1000e`, or `8139cp-8139too` where several know it. Cards with the same drivers
/// boot from the same initrd.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicDriver(String);

impl NicDriver {
    /// The names, with a hyphen between them: lower-case letters, digits, underscores and hyphens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` if a name cannot be part of a file's, or all are too long.
    fn new(modules: &BTreeSet<&str>) -> Option<Self> {
        let is_name = |name: &&str| {
            let is_usual = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            !name.is_empty() && name.bytes().all(is_usual)
        };
        let names: Vec<&str> = modules.iter().copied().filter(is_name).collect();
        let joined = names.join("-");
        let is_one = names.len() == modules.len() && !(joined.is_empty());
        (is_one && joined.len() <= LONGEST_NAME).then_some(Self(joined))
    }
}

impl fmt::Display for NicDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The network cards on the PCI bus that a kernel has drivers for, as far as they are in the set `netboot`.
///
/// Drivers that did not come with the kernel are believed to be for network cards if they may be: only who builds an initrd
/// reads them. Then [`BuildError::NoNicDriver`] says that they are not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NicDrivers {
    /// The names of the modules.
    modules: Vec<String>,
    /// What each of them is for; sorted.
    patterns: Vec<(Option<u16>, Option<u16>, usize)>,
}

impl NicDrivers {
    /// Reads the module index of a kernel. One without a module tree has no drivers that an initrd could have.
    ///
    /// # Errors
    /// [`BuildError::NoIndex`], [`BuildError::Index`] and [`BuildError::Root`].
    pub fn read(root: &RootTree, kernel: &Kernel, contents: &Contents) -> Result<Self, BuildError> {
        let (Some(tree), Some(set)) = (kernel.modules.as_deref(), contents.sets.get(NETBOOT))
        else {
            return Ok(Self::default());
        };
        let index = read_index(root, kernel, tree)?;
        let order = read_order(root, tree)?;
        let tree = ModuleTree::new(root, tree, kernel, &index, &order);
        let mut drivers = Self::default();
        let mut known: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        for (PciPattern { vendor, device }, module) in index.pci_patterns() {
            let number = known.entry(module).or_insert_with(|| {
                may_drive_a_nic(&tree, set, module).then(|| {
                    drivers.modules.push(module.to_owned());
                    drivers.modules.len() - 1
                })
            });
            drivers
                .patterns
                .extend(number.map(|number| (vendor, device, number)));
        }
        if let Resolved::Modules(names) | Resolved::BuiltIn(names) = index.resolve(VIRTIO_NIC) {
            for name in names {
                let number = drivers.modules.len();
                drivers.modules.push(name);
                drivers.patterns.push((Some(VIRTIO_VENDOR), None, number));
            }
        }
        drivers.patterns.sort_unstable();
        drivers.patterns.dedup();
        Ok(drivers)
    }

    /// The drivers of a network card; `None` if this kernel has none that is in the set.
    #[must_use]
    pub fn of(&self, nic: PciId) -> Option<NicDriver> {
        let (vendor, device) = (Some(nic.vendor), Some(nic.device));
        let mut found = BTreeSet::new();
        for (vendor, device) in [(vendor, device), (vendor, None), (None, device)] {
            let start = self
                .patterns
                .partition_point(|(a, b, _)| (*a, *b) < (vendor, device));
            let from = self.patterns.get(start..).unwrap_or_default();
            let same = from
                .iter()
                .take_while(|(a, b, _)| (*a, *b) == (vendor, device));
            found.extend(same.filter_map(|(_, _, number)| self.modules.get(*number)));
        }
        let found: BTreeSet<&str> = found.into_iter().map(String::as_str).collect();
        NicDriver::new(&found)
    }
}

/// As far as the module's place tells.
fn may_drive_a_nic(tree: &ModuleTree<'_>, set: &ModuleSet, name: &str) -> bool {
    match tree.index.module(name) {
        Some(module) if tree.is_placed_by_kernel(set, module) => set.has(name, module.stem()),
        Some(_) => true,
        None => is_built_in(tree.index, set, name),
    }
}

fn is_built_in(index: &Index, set: &ModuleSet, name: &str) -> bool {
    let mut built_in = index.built_in();
    built_in.any(|(one, stem)| one == name && set.has(name, stem))
}

/// The modules that drive a network card.
///
/// # Errors
/// [`BuildError::NoNicDriver`].
pub(crate) fn drivers_of(
    nic: PciId,
    contents: &Contents,
    tree: &ModuleTree<'_>,
) -> Result<Found, BuildError> {
    let set = contents.sets.get(NETBOOT).cloned().unwrap_or_default();
    let mut found = Found::default();
    for name in tree.index.modules_for(nic) {
        let drives = match tree.index.module(name) {
            Some(module) => tree.drives_a_nic(&set, name, module),
            None => Ok(is_built_in(tree.index, &set, name)),
        };
        match drives {
            Ok(true) => found.names.push(name.to_owned()),
            Ok(false) => {}
            Err(why) => found.left_out.push((name.to_owned(), why)),
        }
    }
    if found.names.is_empty() {
        return Err(BuildError::NoNicDriver {
            nic,
            version: tree.kernel.version.clone(),
        });
    }
    if nic.vendor == VIRTIO_VENDOR
        && let Resolved::Modules(more) | Resolved::BuiltIn(more) = tree.index.resolve(VIRTIO_NIC)
    {
        found.names.extend(more);
    }
    Ok(found)
}
