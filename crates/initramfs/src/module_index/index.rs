//! The modules of a tree, their dependencies and their aliases.

use std::collections::{BTreeMap, BTreeSet};

use netroot_kmod::{fnmatch, module_stem};

use super::alias::{self, Alias};
use crate::driver_kind::is_of_device;

/// The index files of a module tree.
#[derive(Debug, Default, Clone)]
pub(crate) struct IndexTexts {
    /// `modules.dep`, the only required one.
    pub(crate) dep: String,
    /// `modules.alias`.
    pub(crate) alias: String,
    /// `modules.softdep`.
    pub(crate) softdep: String,
    /// `modules.weakdep` (kmod 33).
    pub(crate) weakdep: String,
    /// `modules.builtin`.
    pub(crate) builtin: String,
    /// `modules.builtin.modinfo` (Linux 5.2), NUL-separated.
    pub(crate) builtin_modinfo: String,
}

/// The index of a module tree.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) modules: BTreeMap<String, Module>,
    /// Built-in modules: name → path without `.ko`.
    pub(super) builtin: BTreeMap<String, String>,
    pub(super) builtin_firmware: BTreeMap<String, Vec<String>>,
    pub(super) builtin_aliases: Vec<Alias>,
    pub(super) aliases: Vec<Alias>,
    pub(super) softdeps: BTreeMap<String, SoftDeps>,
    pub(super) weakdeps: BTreeMap<String, Vec<String>>,
}

/// A module that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Path relative to the module tree, with the compression suffix.
    pub(crate) path: String,
    /// Names of the modules that it depends on.
    pub(crate) needs: Vec<String>,
}

impl Module {
    /// The path without `.ko` and the compression suffix, which patterns are matched against.
    pub(crate) fn stem(&self) -> &str {
        module_stem(&self.path)
    }
}

/// Soft dependencies: what should be loaded before and after a module, by name or alias.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct SoftDeps {
    pub(crate) pre: Vec<String>,
    pub(crate) post: Vec<String>,
}

/// What a name resolves to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// These modules: one for the name of a module, possibly several for an alias.
    Modules(Vec<String>),
    /// Built into the kernel.
    BuiltIn(Vec<String>),
    /// Nothing.
    Unknown,
}

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IndexError {
    /// A line of `modules.dep` without a colon.
    #[error("modules.dep, line {line}: expected `<module>: <modules>`")]
    NoColon {
        /// Counted from 1.
        line: usize,
    },
    /// A path that is not in the module tree.
    #[error("modules.dep, line {line}: {path:?} is not the path of a module in this tree")]
    BadPath {
        /// Counted from 1.
        line: usize,
        /// The path.
        path: String,
    },
    /// A module depends on one that is not in the index.
    #[error("modules.dep: {module} depends on {needed}, which has no line of its own")]
    DanglingDependency {
        /// The module.
        module: String,
        /// The missing module.
        needed: String,
    },
}

/// A set of modules with all their dependencies.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Closure {
    /// Names of modules.
    pub(crate) modules: BTreeSet<String>,
    /// Names of the requested modules that are built in.
    pub(crate) built_in: BTreeSet<String>,
}

impl Index {
    /// Resolves `name`, which is the name of a module or an alias, such as a device's `modalias`.
    pub(crate) fn resolve(&self, name: &str) -> Resolved {
        let plain = name.replace('-', "_");
        if self.modules.contains_key(&plain) {
            return Resolved::Modules(vec![plain]);
        }
        if self.builtin.contains_key(&plain) {
            return Resolved::BuiltIn(vec![plain]);
        }
        let normalized = alias::normalize(name);
        let named = |aliases: &[Alias]| {
            let mut names: Vec<String> = Vec::new();
            for alias in aliases {
                if fnmatch(&alias.pattern, &normalized) && !names.contains(&alias.module) {
                    names.push(alias.module.clone());
                }
            }
            names
        };
        let modules = named(&self.aliases);
        if !modules.is_empty() {
            return Resolved::Modules(modules);
        }
        match named(&self.builtin_aliases) {
            none if none.is_empty() => Resolved::Unknown,
            some => Resolved::BuiltIn(some),
        }
    }

    /// A module by its name.
    pub(crate) fn module(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// Every module, by name.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&str, &Module)> {
        self.modules
            .iter()
            .map(|(name, module)| (name.as_str(), module))
    }

    /// The modules that are for devices, by name.
    pub(crate) fn names_with_devices(&self) -> BTreeSet<&str> {
        let aliases = self.aliases.iter();
        let of_devices = aliases.filter(|alias| is_of_device(&alias.pattern));
        of_devices.map(|alias| alias.module.as_str()).collect()
    }

    /// The built-in modules: names, and paths without `.ko`.
    pub(crate) fn built_in(&self) -> impl Iterator<Item = (&str, &str)> {
        self.builtin
            .iter()
            .map(|(name, stem)| (name.as_str(), stem.as_str()))
    }

    /// The firmware that a built-in module asks for (since Linux 5.2).
    pub(crate) fn built_in_firmware(&self, name: &str) -> &[String] {
        self.builtin_firmware
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// `wanted` with all dependencies: hard, soft and weak ones, and those that `also` returns for a module.
    ///
    /// A soft or weak dependency that does not exist is not an error, as in modprobe.
    ///
    /// # Errors
    /// [`IndexError::DanglingDependency`].
    pub(crate) fn closure<'a>(
        &self,
        wanted: impl IntoIterator<Item = String>,
        mut also: impl FnMut(&str) -> Vec<&'a str>,
    ) -> Result<Closure, IndexError> {
        let mut closure = Closure::default();
        let mut open: Vec<String> = wanted.into_iter().collect();
        while let Some(name) = open.pop() {
            if closure.modules.contains(&name) {
                continue;
            }
            let Some(module) = self.modules.get(&name) else {
                closure.built_in.insert(name);
                continue;
            };
            for needed in &module.needs {
                if !self.modules.contains_key(needed) {
                    return Err(IndexError::DanglingDependency {
                        module: name,
                        needed: needed.clone(),
                    });
                }
                open.push(needed.clone());
            }
            let soft = self.softdeps.get(&name);
            let soft = soft
                .into_iter()
                .flat_map(|soft| soft.pre.iter().chain(&soft.post));
            let weak = self.weakdeps.get(&name).into_iter().flatten();
            let soft_and_weak = soft.chain(weak).map(String::as_str);
            for dependency in soft_and_weak.chain(also(&name)) {
                if let Resolved::Modules(names) = self.resolve(dependency) {
                    open.extend(names);
                }
            }
            closure.modules.insert(name);
        }
        Ok(closure)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn texts() -> IndexTexts {
        IndexTexts {
            dep: "kernel/fs/nfs/nfs.ko.xz: kernel/net/sunrpc/sunrpc.ko.xz\n\
                  kernel/net/sunrpc/sunrpc.ko.xz:\n\
                  kernel/lib/libcrc32c.ko.xz:\n\
                  kernel/arch/x86/crypto/crc32c-intel.ko.xz:\n\
                  kernel/crypto/crc32c_generic.ko.xz:\n\
                  kernel/drivers/net/bnx2x.ko.xz: kernel/lib/libcrc32c.ko.xz\n\
                  kernel/drivers/net/r8169.ko.xz:\n\
                  kernel/drivers/net/phy/realtek.ko.xz:\n\
                  kernel/drivers/net/weak.ko.xz:\n"
                .into(),
            alias: "# Aliases extracted from modules themselves.\n\
                    alias crypto-crc32c crc32c_intel\n\
                    alias crypto-crc32c crc32c_generic\n\
                    alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\n"
                .into(),
            softdep: "softdep libcrc32c pre: crypto-crc32c\n\
                      softdep r8169 pre: realtek post: nothing-like-that\n"
                .into(),
            weakdep: "weakdep r8169 weak\n".into(),
            builtin: "kernel/net/packet/af_packet.ko\n".into(),
            builtin_modinfo: "af_packet.alias=net-pf-17\0af_packet.license=GPL\0\
                              af_packet.firmware=packet/fw.bin\0"
                .into(),
        }
    }

    fn names(closure: &Closure) -> Vec<&str> {
        closure.modules.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_name_is_found_with_dash_or_underscore() {
        let index = Index::parse(&texts()).unwrap();
        for name in ["crc32c-intel", "crc32c_intel"] {
            let found = Resolved::Modules(vec!["crc32c_intel".into()]);
            assert_eq!(index.resolve(name), found);
        }
    }

    #[test]
    fn an_alias_resolves_to_every_module_that_has_it() {
        let index = Index::parse(&texts()).unwrap();
        let found = Resolved::Modules(vec!["crc32c_intel".into(), "crc32c_generic".into()]);
        assert_eq!(index.resolve("crypto-crc32c"), found);
        let found = Resolved::Modules(vec!["r8169".into()]);
        let device = "pci:v000010ECd00008168sv00001043sd00008432bc02sc00i00";
        assert_eq!(index.resolve(device), found);
    }

    #[test]
    fn built_in_modules_are_found_by_name_and_alias() {
        let index = Index::parse(&texts()).unwrap();
        let found = Resolved::BuiltIn(vec!["af_packet".into()]);
        assert_eq!(index.resolve("af-packet"), found);
        assert_eq!(index.resolve("net-pf-17"), found);
        assert_eq!(index.built_in_firmware("af_packet"), ["packet/fw.bin"]);
        assert_eq!(index.resolve("nothing"), Resolved::Unknown);
    }

    #[test]
    fn the_closure_follows_hard_soft_and_weak_dependencies() {
        let index = Index::parse(&texts()).unwrap();
        let closure = |name: &str| index.closure([name.to_owned()], |_| Vec::new()).unwrap();
        assert_eq!(names(&closure("nfs")), ["nfs", "sunrpc"]);
        assert_eq!(
            names(&closure("bnx2x")),
            ["bnx2x", "crc32c_generic", "crc32c_intel", "libcrc32c"]
        );
        assert_eq!(names(&closure("r8169")), ["r8169", "realtek", "weak"]);
        assert!(closure("af_packet").built_in.contains("af_packet"));
    }

    #[test]
    fn companions_are_included() {
        let index = Index::parse(&texts()).unwrap();
        let closure = index
            .closure(["nfs".to_owned()], |name| {
                if name == "nfs" { vec!["r8169"] } else { vec![] }
            })
            .unwrap();
        assert!(closure.modules.contains("realtek"));
    }

    #[test]
    fn circular_dependencies_end() {
        let texts = IndexTexts {
            dep: "kernel/a.ko: kernel/b.ko\nkernel/b.ko: kernel/a.ko\n".into(),
            softdep: "softdep a pre: a b\n".into(),
            ..IndexTexts::default()
        };
        let index = Index::parse(&texts).unwrap();
        let closure = index.closure(["a".to_owned()], |_| Vec::new()).unwrap();
        assert_eq!(names(&closure), ["a", "b"]);
    }

    #[test]
    fn a_dependency_without_a_line_of_its_own_is_an_error() {
        let texts = IndexTexts {
            dep: "kernel/a.ko: kernel/b.ko\n".into(),
            ..IndexTexts::default()
        };
        let index = Index::parse(&texts).unwrap();
        let error = index.closure(["a".to_owned()], |_| Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "modules.dep: a depends on b, which has no line of its own"
        );
    }
}
