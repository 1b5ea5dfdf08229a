//! Where distributions put their kernels.
//!
//! | distribution | kernel | modules |
//! |---|---|---|
//! | Debian, Ubuntu, Gentoo, RHEL | `/boot/vmlinuz-<version>`, `/boot/kernel-<version>` | `/lib/modules/<version>` |
//! | Arch, Alpine | `/boot/vmlinuz-linux`, `/boot/vmlinuz-lts` | the same |
//! | Fedora, openSUSE, image-based ones | `/usr/lib/modules/<version>/vmlinuz` | the same |
//! | Raspberry Pi OS, Tiny Core | `/boot/kernel8.img`, `/boot/firmware/kernel_2712.img`; `/boot/vmlinuz64` | the same |
//! | Clear Linux, Solus | `/usr/lib/kernel/org.clearlinux.native.<version>` | the same |
//! | kernel-install | what `/boot/loader/entries/*.conf` name (UAPI.1), `/boot/<token>/<version>/linux` | the same |
//! | unified kernel images | `/boot/EFI/Linux/*.efi`, in the ESP | the same |
//! | NixOS | `<system>/kernel`, `/boot/kernels/*-bzImage` | `<system>/kernel-modules/lib/modules/<version>` |
//! | Guix System | `<system>/kernel/bzImage` | `<system>/kernel/lib/modules/<version>` |
//! | Void, Slackware | `/boot/vmlinuz-<version>`, which on Void ends in the package's revision (`_1`) | the same |
//! | unpacked live images | `/live/vmlinuz`, `/casper/vmlinuz`, … | `/lib/modules/<version>` |

mod boot_entries;
mod candidate;
mod folder;
mod kernel_names;
mod selinux;
mod systems;

use self::boot_entries::{add_kernel_install, add_loader_entries};
pub(super) use self::candidate::Candidate;
use self::folder::{MAX_FILE, names, names_or_none};
use self::kernel_names::version_in_name;
pub(super) use self::selinux::WITHOUT_SELINUX;
pub(super) use self::systems::PROFILES;
use self::systems::{add_loose_packages, systems};
use super::version::is_version;
use crate::root_tree::{RootTree, RootTreeError};

/// The module trees of most distributions.
const MODULE_TREES: [&str; 2] = ["/lib/modules", "/usr/lib/modules"];
/// Where the boot partition and the EFI system partition are mounted.
const BOOT_PARTITIONS: [&str; 3] = ["/boot", "/efi", "/boot/efi"];
/// Where live images have their kernels: Debian, Ubuntu, Fedora, Arch, openSUSE, older ones; a Raspberry Pi's firmware;
/// Flatcar; the last is a link that Debian makes in every root.
const FOLDERS: [&str; 9] = [
    "/boot/firmware",
    "/usr/boot",
    "/live",
    "/casper",
    "/images/pxeboot",
    "/arch/boot/x86_64",
    "/boot/x86_64/loader",
    "/isolinux",
    "/",
];

/// The places of a root that were looked at.
#[derive(Debug)]
pub(super) struct Places {
    /// Where kernels may be, the better place first.
    pub(super) candidates: Vec<Candidate>,
    /// The directories of module trees, the better place first.
    module_trees: Vec<String>,
    /// The system that starts where a kernel belongs to none: a copy in `/boot`.
    system: Option<String>,
}

impl Places {
    /// Looks at the root.
    pub(super) fn of(root: &RootTree) -> Result<Self, RootTreeError> {
        let mut candidates = Vec::new();
        for name in names_or_none(root, "/boot")? {
            if let Some(version) = version_in_name(&name) {
                let mut one = Candidate::usual(format!("/boot/{name}"), version);
                one.expected = Some("a dangling link in this root");
                candidates.push(one);
            }
        }
        for tree in MODULE_TREES {
            for version in names_or_none(root, tree)? {
                for name in names(root, &format!("{tree}/{version}")) {
                    if name.ends_with(".efi") || version_in_name(&name).is_some() {
                        let path = format!("{tree}/{version}/{name}");
                        candidates.push(Candidate::usual(path, &version));
                    }
                }
            }
        }
        for partition in BOOT_PARTITIONS {
            add_loader_entries(root, partition, &mut candidates);
            add_kernel_install(root, partition, &mut candidates);
            for folder in ["EFI/Linux", "EFI/nixos", "kernels"] {
                for name in names(root, &format!("{partition}/{folder}")) {
                    if [".efi", "-bzImage", "-Image"]
                        .iter()
                        .any(|end| name.ends_with(end))
                    {
                        let path = format!("{partition}/{folder}/{name}");
                        candidates.push(Candidate::usual(path, ""));
                    }
                }
            }
        }
        for name in names(root, "/usr/lib/kernel") {
            if name.starts_with("org.clearlinux.") || name.starts_with("com.solus-project.") {
                candidates.push(Candidate::usual(format!("/usr/lib/kernel/{name}"), ""));
            }
        }
        let systems = systems(root);
        for (system, current) in &systems {
            for (kernel, modules) in [
                ("kernel", "kernel-modules/lib/modules"),
                ("kernel/bzImage", "kernel/lib/modules"),
                ("kernel/Image", "kernel/lib/modules"),
            ] {
                candidates.push(Candidate {
                    own_modules: Some(format!("{system}/{modules}")),
                    system: Some(system.clone()),
                    current: *current,
                    ..Candidate::usual(format!("{system}/{kernel}"), "")
                });
            }
        }
        for folder in FOLDERS {
            for name in names(root, folder) {
                let path = format!("{}/{name}", folder.trim_end_matches('/'));
                if let Some(version) = version_in_name(&name) {
                    candidates.push(Candidate::usual(path, version));
                }
            }
        }
        let loose = match systems.is_empty() {
            true => add_loose_packages(root, &mut candidates),
            false => Vec::new(),
        };
        let of_systems = systems.iter().flat_map(|(system, _)| {
            ["kernel-modules", "kernel"].map(|folder| format!("{system}/{folder}/lib/modules"))
        });
        let usual = MODULE_TREES.iter().map(|&tree| tree.to_owned());
        Ok(Self {
            candidates,
            module_trees: usual.chain(of_systems).chain(loose).collect(),
            system: systems.into_iter().next().map(|(system, _)| system),
        })
    }

    /// The module tree of a kernel: its own, then the usual ones, then that of any system; the first that is complete.
    pub(super) fn modules(
        &self,
        root: &RootTree,
        own: Option<&str>,
        version: &str,
    ) -> Option<String> {
        let trees = own
            .into_iter()
            .chain(self.module_trees.iter().map(String::as_str))
            .map(|tree| format!("{tree}/{version}"))
            .filter(|tree| root.has_directory(tree))
            .collect::<Vec<_>>();
        let complete = trees.iter().find(|tree| has_index(root, tree));
        complete.or(trees.first()).cloned()
    }

    /// The versions of the module trees, if `/boot` is an empty directory.
    pub(super) fn modules_of_an_empty_boot(&self, root: &RootTree) -> Vec<String> {
        let is_empty = root.names_in("/boot").is_ok_and(|names| names.is_empty());
        let trees = self.module_trees.iter().filter(|_| is_empty);
        let versions = trees.flat_map(|tree| names(root, tree));
        versions.filter(|version| is_version(version)).collect()
    }

    /// The folder of firmware of a kernel's system, if it has one.
    pub(super) fn firmware(&self, root: &RootTree, own: Option<&str>) -> Option<String> {
        let system = own.or(self.system.as_deref())?;
        Some(format!("{system}/firmware")).filter(|folder| root.has_directory(folder))
    }

    /// The parameters that start the system of a kernel, where `/sbin/init` alone does not: those of Guix's own bootloader
    /// configurations, and of NixOS's; for others what SELinux needs.
    pub(super) fn start(&self, root: &RootTree, own: Option<&str>) -> Option<String> {
        let Some(system) = own.or(self.system.as_deref()) else {
            return selinux::parameter(root);
        };
        // It becomes part of a command line and of a script; names in a store have no other characters.
        let plain = |c: char| c.is_ascii_alphanumeric() || "/+-._?=".contains(c);
        let has = |name: &str| root.open_file(&format!("{system}/{name}")).is_ok();
        if !system.chars().all(plain) {
            None
        } else if has("boot") && has("activate") {
            Some(format!("gnu.system={system} gnu.load={system}/boot"))
        } else if has("init") {
            Some(format!("init={system}/init"))
        } else {
            None
        }
    }

    /// The version of a kernel that only its name describes, by the only module tree that fits, among its own if it has
    /// any: `linux-lts` is what Arch's `pkgbase` says, `lts` ends Alpine's versions, genkernel's names end with the whole
    /// version, and a kernel without any name fits all.
    pub(super) fn version_by_modules(
        &self,
        root: &RootTree,
        own: Option<&str>,
        named: &str,
    ) -> Option<String> {
        let own = own.filter(|tree| root.has_directory(tree));
        let own = own.map(|tree| vec![tree.to_owned()]);
        let mut fitting: Vec<String> = Vec::new();
        for tree in own.as_ref().unwrap_or(&self.module_trees) {
            for version in names(root, tree) {
                let package = || {
                    root.read(&format!("{tree}/{version}/pkgbase"), MAX_FILE)
                        .ok()
                };
                let fits = named.is_empty()
                    || version.ends_with(&format!("-{named}"))
                    || named.ends_with(&format!("-{version}"))
                    || package().is_some_and(|name| name.trim_ascii() == named.as_bytes());
                if fits && is_version(&version) && !fitting.contains(&version) {
                    fitting.push(version);
                }
            }
        }
        match fitting.as_slice() {
            [version] => Some(version.clone()),
            _ => None,
        }
    }
}

/// Whether a module tree has what `depmod` makes last: a kernel that was removed leaves some files behind.
pub(super) fn has_index(root: &RootTree, tree: &str) -> bool {
    root.open_file(&format!("{tree}/modules.dep")).is_ok()
}
