//! Writes the index of an initrd, which covers only the modules in it.
//!
//! Text files only, which the init reads; the `.bin` tries are for libkmod, which is not in the initrd.

use std::collections::BTreeMap;
use std::fmt::Write;

use netroot_kmod::module_name;

use super::alias::Alias;
use super::index::{Closure, Index, Resolved, SoftDeps};
use crate::contents::Contents;

impl Index {
    /// `modules.dep`, with the uncompressed `.ko` paths of the initrd.
    pub(crate) fn initrd_dep(&self, closure: &Closure) -> String {
        let mut lines: Vec<String> = Vec::new();
        for module in closure.modules.iter().filter_map(|name| self.module(name)) {
            let mut line = format!("{}.ko:", module.stem());
            for needed in module.needs.iter().filter_map(|name| self.module(name)) {
                // Writing to a String cannot fail.
                let _ = write!(line, " {}.ko", needed.stem());
            }
            lines.push(line);
        }
        lines.sort_unstable();
        joined(&lines)
    }

    /// `modules.alias`, in the order of the root's file, but for modules that somebody installed beside the kernel's:
    /// they come first, and take a device that several drive.
    pub(crate) fn initrd_alias(&self, closure: &Closure) -> String {
        let aliases = self.aliases.iter();
        let included = aliases.filter(|alias| closure.modules.contains(&alias.module));
        let is_added = |alias: &&Alias| {
            let module = self.module(&alias.module);
            module.is_some_and(|module| !module.path.starts_with("kernel/"))
        };
        let (added, own): (Vec<&Alias>, Vec<&Alias>) = included.partition(is_added);
        let lines = added.iter().chain(&own).map(|alias| alias.line.as_str());
        joined(&lines.collect::<Vec<_>>())
    }

    /// `modules.softdep`, one line per module, with aliases resolved to modules, and `more` added.
    pub(crate) fn initrd_softdep(
        &self,
        closure: &Closure,
        more: &BTreeMap<String, SoftDeps>,
    ) -> String {
        let mut lines = Vec::new();
        for name in &closure.modules {
            let in_closure = |list: fn(&SoftDeps) -> &Vec<String>| {
                let mut names: Vec<String> = Vec::new();
                let both = self.softdeps.get(name).into_iter().chain(more.get(name));
                for dependency in both.flat_map(list) {
                    let Resolved::Modules(found) = self.resolve(dependency) else {
                        continue;
                    };
                    for module in found {
                        let here = closure.modules.contains(&module);
                        if here && module != *name && !names.contains(&module) {
                            names.push(module);
                        }
                    }
                }
                names
            };
            let pre = in_closure(|deps| &deps.pre);
            let post = in_closure(|deps| &deps.post);
            let mut line = format!("softdep {name}");
            for (key, names) in [(" pre:", &pre), (" post:", &post)] {
                if !names.is_empty() {
                    line.push_str(key);
                    for name in names {
                        line.push(' ');
                        line.push_str(name);
                    }
                }
            }
            if !(pre.is_empty() && post.is_empty()) {
                lines.push(line);
            }
        }
        joined(&lines)
    }

    /// `modules.builtin`, complete, so that the init can tell built-in modules from missing ones.
    pub(crate) fn initrd_builtin(&self) -> String {
        let mut lines: Vec<String> = self
            .built_in()
            .map(|(_, stem)| format!("{stem}.ko"))
            .collect();
        lines.sort_unstable();
        joined(&lines)
    }
}

/// The loading order in [`Contents`], by module.
pub(crate) fn softdeps_of(contents: &Contents) -> BTreeMap<String, SoftDeps> {
    let mut all: BTreeMap<String, SoftDeps> = BTreeMap::new();
    for companions in &contents.companions {
        let deps = all.entry(module_name(&companions.module)).or_default();
        deps.pre.extend(companions.pre.iter().cloned());
        deps.post.extend(companions.post.iter().cloned());
    }
    all
}

fn joined<T: AsRef<str>>(lines: &[T]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::texts;
    use super::*;

    fn closure(index: &Index, names: &[&str]) -> Closure {
        let names = names.iter().map(|name| (*name).to_owned());
        index.closure(names, |_| Vec::new()).unwrap()
    }

    #[test]
    fn the_index_of_an_initrd_covers_its_modules() {
        let index = Index::parse(&texts()).unwrap();
        let closure = closure(&index, &["r8169", "bnx2x"]);
        assert_eq!(
            index.initrd_dep(&closure),
            "kernel/arch/x86/crypto/crc32c-intel.ko:\n\
             kernel/crypto/crc32c_generic.ko:\n\
             kernel/drivers/net/bnx2x.ko: kernel/lib/libcrc32c.ko\n\
             kernel/drivers/net/phy/realtek.ko:\n\
             kernel/drivers/net/r8169.ko:\n\
             kernel/drivers/net/weak.ko:\n\
             kernel/lib/libcrc32c.ko:\n"
        );
        assert_eq!(
            index.initrd_softdep(&closure, &BTreeMap::new()),
            "softdep libcrc32c pre: crc32c_intel crc32c_generic\n\
             softdep r8169 pre: realtek\n"
        );
        assert_eq!(index.initrd_builtin(), "kernel/net/packet/af_packet.ko\n");
    }

    #[test]
    fn aliases_of_other_modules_are_left_out() {
        let index = Index::parse(&texts()).unwrap();
        let closure = closure(&index, &["r8169"]);
        assert_eq!(
            index.initrd_alias(&closure),
            "alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\n"
        );
    }

    #[test]
    fn a_written_index_is_read_back_the_same() {
        let index = Index::parse(&texts()).unwrap();
        let all: Vec<&str> = index.modules().map(|(name, _)| name).collect();
        let closure = closure(&index, &all);
        let written = super::super::index::IndexTexts {
            dep: index.initrd_dep(&closure),
            alias: index.initrd_alias(&closure),
            softdep: index.initrd_softdep(&closure, &BTreeMap::new()),
            builtin: index.initrd_builtin(),
            ..Default::default()
        };
        let again = Index::parse(&written).unwrap();
        assert_eq!(again.initrd_dep(&closure), written.dep);
        assert_eq!(again.initrd_alias(&closure), written.alias);
        assert_eq!(
            again.initrd_softdep(&closure, &BTreeMap::new()),
            written.softdep
        );
        assert_eq!(again.initrd_builtin(), written.builtin);
    }

    #[test]
    fn the_loading_order_of_the_contents_is_written() {
        let index = Index::parse(&texts()).unwrap();
        let text = "[[with]]\nmodule = 'nfs'\npost = ['r8169', 'absent']\npre = ['weak']\n";
        let contents = crate::Contents::parse("x", text).unwrap();
        let closure = closure(&index, &["nfs", "r8169"]);
        assert_eq!(
            index.initrd_softdep(&closure, &softdeps_of(&contents)),
            "softdep nfs pre: weak post: r8169\nsoftdep r8169 pre: realtek\n"
        );
    }
}
