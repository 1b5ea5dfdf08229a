//! The module index: which module belongs to a device or a name, and which modules it depends on.
//!
//! Pure: the files are passed in as text. The formats are those of depmod(8); the text forms are used, since the `.bin`
//! forms save no time for the hundred modules of an initrd.

use std::collections::{HashMap, HashSet};

use netroot_kmod::{fnmatch, module_name};

/// The files of `/lib/modules/<version>/`, read once.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Module name → file, relative to the version's directory, and the files of what it depends on.
    modules: HashMap<String, Module>,
    /// Patterns in file order, with the names of their modules.
    aliases: Vec<(String, String)>,
    /// Module name → its soft dependencies.
    soft: HashMap<String, Soft>,
    builtin: HashSet<String>,
}

#[derive(Debug)]
struct Module {
    file: String,
    needs: Vec<String>,
}

#[derive(Debug, Default)]
struct Soft {
    before: Vec<String>,
    after: Vec<String>,
}

/// The texts of the index files; a missing file is an empty text.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    /// `modules.dep`.
    pub(crate) dep: &'a str,
    /// `modules.alias`.
    pub(crate) alias: &'a str,
    /// `modules.softdep`.
    pub(crate) softdep: &'a str,
    /// `modules.builtin`.
    pub(crate) builtin: &'a str,
}

/// One module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadStep {
    /// The module's name, with `_`.
    pub(crate) name: String,
    /// Its file, relative to the version's directory.
    pub(crate) file: String,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Load these, in this order.
    Load(Vec<LoadStep>),
    /// It is built into the kernel.
    BuiltIn,
    /// The initrd does not have it.
    Absent,
}

impl Index {
    /// Parses the index. Invalid lines are skipped, so that with a damaged index as much as possible can be loaded.
    pub(crate) fn read(texts: &Texts<'_>) -> Self {
        let mut index = Index::default();
        for line in texts.dep.lines() {
            let Some((file, needs)) = line.split_once(':') else {
                continue;
            };
            let module = Module {
                file: file.to_owned(),
                needs: needs.split_whitespace().map(str::to_owned).collect(),
            };
            index.modules.insert(module_name(file), module);
        }
        for line in texts.alias.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) =
                (words.next(), words.next(), words.next())
            {
                index.aliases.push((pattern.to_owned(), module_name(name)));
            }
        }
        for line in texts.softdep.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let soft = index.soft.entry(module_name(name)).or_default();
            let mut list = &mut soft.before;
            for word in words {
                match word {
                    "pre:" => list = &mut soft.before,
                    "post:" => list = &mut soft.after,
                    name => list.push(module_name(name)),
                }
            }
        }
        index.builtin = texts.builtin.lines().map(module_name).collect();
        index
    }

    /// The modules whose alias matches a device's `modalias`, in file order, each once.
    pub(crate) fn for_device(&self, modalias: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for (pattern, name) in &self.aliases {
            if fnmatch(pattern, modalias) && !found.contains(&name.as_str()) {
                found.push(name);
            }
        }
        found
    }

    /// What has to be loaded for `name`, a module's name or an alias such as `fs-nfs`.
    pub(crate) fn resolve(&self, name: &str) -> Resolved {
        let name = module_name(name);
        let mut steps = Vec::new();
        if self.modules.contains_key(&name) {
            self.add(&name, &mut steps, &mut HashSet::new());
            return Resolved::Load(steps);
        }
        if self.builtin.contains(&name) {
            return Resolved::BuiltIn;
        }
        // Aliases are written with `-` (`fs-nfs`) or `_`; modprobe treats them alike.
        let mut seen = HashSet::new();
        for (pattern, module) in &self.aliases {
            if fnmatch(&pattern.replace('-', "_"), &name) {
                self.add(module, &mut steps, &mut seen);
            }
        }
        if steps.is_empty() {
            Resolved::Absent
        } else {
            Resolved::Load(steps)
        }
    }

    /// Appends `name` after everything that it depends on. `seen` ends the circles that soft dependencies may form.
    fn add(&self, name: &str, steps: &mut Vec<LoadStep>, seen: &mut HashSet<String>) {
        if !seen.insert(name.to_owned()) {
            return;
        }
        let Some(module) = self.modules.get(name) else {
            return;
        };
        let soft = self.soft.get(name);
        for before in soft.iter().flat_map(|s| &s.before) {
            self.add(before, steps, seen);
        }
        // modules.dep lists direct dependencies first and theirs after them (modprobe loads from the end).
        for need in module.needs.iter().rev() {
            self.add(&module_name(need), steps, seen);
        }
        steps.push(LoadStep {
            name: name.to_owned(),
            file: module.file.clone(),
        });
        for after in soft.iter().flat_map(|s| &s.after) {
            self.add(after, steps, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "\
kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs_common/nfs_acl.ko kernel/fs/nfs/nfs.ko kernel/net/sunrpc/sunrpc.ko
kernel/fs/nfs/nfs.ko: kernel/net/sunrpc/sunrpc.ko
kernel/fs/nfs_common/nfs_acl.ko: kernel/net/sunrpc/sunrpc.ko
kernel/net/sunrpc/sunrpc.ko:
kernel/drivers/net/ethernet/realtek/r8169.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/phy/libphy.ko:
kernel/drivers/net/phy/realtek.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko
kernel/drivers/net/net_failover.ko:
";
    const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
alias virtio:d00000001v* virtio-net
alias fs-nfs nfs
alias mdio:0000000000011100110010???????????? realtek
";
    const SOFTDEP: &str = "softdep r8169 pre: realtek\nsoftdep realtek post: r8169\n";

    fn index() -> Index {
        let builtin = "kernel/fs/overlayfs/overlay.ko\n";
        Index::read(&Texts {
            dep: DEP,
            alias: ALIAS,
            softdep: SOFTDEP,
            builtin,
        })
    }

    fn order(resolved: Resolved) -> Vec<String> {
        match resolved {
            Resolved::Load(steps) => steps.into_iter().map(|s| s.name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_comes_after_its_dependencies_and_nothing_comes_twice() {
        assert_eq!(
            order(index().resolve("nfsv3")),
            ["sunrpc", "nfs", "nfs_acl", "nfsv3"]
        );
    }

    #[test]
    fn a_soft_dependency_comes_first_and_a_circle_of_them_ends() {
        assert_eq!(
            order(index().resolve("r8169")),
            ["libphy", "realtek", "r8169"]
        );
    }

    #[test]
    fn a_device_is_matched_to_its_driver_by_modalias() {
        let index = index();
        assert_eq!(
            index.for_device("pci:v000010ECd00008168sv00001043sd00008554bc02sc00i00"),
            ["r8169"]
        );
        assert_eq!(
            index.for_device("virtio:d00000001v00001AF4"),
            ["virtio_net"]
        );
        assert!(
            index
                .for_device("pci:v00008086d00001237sv00001AF4sd00001100bc06sc00i00")
                .is_empty()
        );
    }

    #[test]
    fn names_aliases_and_built_in_modules_are_resolved() {
        assert_eq!(order(index().resolve("fs-nfs")), ["sunrpc", "nfs"]);
        assert_eq!(
            order(index().resolve("virtio-net")),
            ["net_failover", "virtio_net"]
        );
        assert_eq!(index().resolve("overlay"), Resolved::BuiltIn);
        assert_eq!(index().resolve("btrfs"), Resolved::Absent);
        assert_eq!(
            order(index().resolve("mdio:0000000000011100110010010001001100")),
            ["libphy", "realtek", "r8169"]
        );
    }

    #[test]
    fn a_damaged_index_yields_what_it_can() {
        let index = Index::read(&Texts {
            dep: "no colon\na.ko: missing.ko\n",
            ..Texts::default()
        });
        assert_eq!(order(index.resolve("a")), ["a"]);
    }
}
