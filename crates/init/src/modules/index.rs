//! The image's module tree as text files say it: which module a device or a name wants, and what it needs first.
//!
//! Pure: the files come in as text. The formats are those of depmod(8); the init reads the text forms, since the
//! `.bin` forms save no time for the hundred modules of an image.

use std::collections::{HashMap, HashSet};

use netroot_kmod::{fnmatch, module_name};

/// The files of `/lib/modules/<version>/`, read once.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Module name → file, relative to the version's directory, and the files of what it depends on.
    modules: HashMap<String, Module>,
    /// Patterns in file order, with the module's name.
    aliases: Vec<(String, String)>,
    /// Module name → what softdeps name, before and after it.
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

/// The texts of a module tree; a missing file is an empty text.
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
pub(crate) struct Step {
    /// The module's name, with `_`.
    pub(crate) name: String,
    /// Its file, relative to the version's directory.
    pub(crate) file: String,
}

/// What a request for modules comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Load these, in this order.
    Load(Vec<Step>),
    /// It is part of the kernel.
    BuiltIn,
    /// The image does not have it.
    Absent,
}

impl Index {
    /// Reads the texts. Lines that make no sense are left out: a damaged image loads what it can.
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

    /// What loading `name` (a module's name, or an alias such as `fs-nfs`) comes to.
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
        // Aliases are written with `-` (`fs-nfs`) or `_`; modprobe takes either for the other.
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

    /// Adds `name` behind everything it needs. `seen` ends the circles that softdeps may make.
    fn add(&self, name: &str, steps: &mut Vec<Step>, seen: &mut HashSet<String>) {
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
        // modules.dep lists the nearest first, and what that needs behind it (modprobe loads from the end).
        for need in module.needs.iter().rev() {
            self.add(&module_name(need), steps, seen);
        }
        steps.push(Step {
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
    fn a_module_comes_after_everything_it_needs_and_nothing_comes_twice() {
        assert_eq!(
            order(index().resolve("nfsv3")),
            ["sunrpc", "nfs", "nfs_acl", "nfsv3"]
        );
    }

    #[test]
    fn a_softdep_comes_first_and_a_circle_of_softdeps_ends() {
        assert_eq!(
            order(index().resolve("r8169")),
            ["libphy", "realtek", "r8169"]
        );
    }

    #[test]
    fn a_device_finds_its_driver_by_modalias() {
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
    fn names_aliases_and_modules_of_the_kernel_itself_resolve() {
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
    fn a_damaged_tree_loads_what_it_can() {
        let index = Index::read(&Texts {
            dep: "no colon\na.ko: missing.ko\n",
            ..Texts::default()
        });
        assert_eq!(order(index.resolve("a")), ["a"]);
    }
}
