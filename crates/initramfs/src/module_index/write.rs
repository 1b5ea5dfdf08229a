//! The index of the image: about the modules in it and no others.
//!
//! Text only, which the init reads; the `.bin` tries are for libkmod, which is not in the image.

use std::collections::BTreeMap;
use std::fmt::Write;

use netroot_kmod::module_name;

use super::index::{Closure, Index, Resolved, SoftDeps};
use crate::contents::Contents;

impl Index {
    /// `modules.dep`, with the plain `.ko` paths that the image has.
    pub(crate) fn image_dep(&self, closure: &Closure) -> String {
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

    /// `modules.alias`, in the order of the root's.
    pub(crate) fn image_alias(&self, closure: &Closure) -> String {
        let lines: Vec<&str> = self
            .aliases
            .iter()
            .filter(|alias| closure.modules.contains(&alias.module))
            .map(|alias| alias.line.as_str())
            .collect();
        joined(&lines)
    }

    /// `modules.softdep`, one line per module, with aliases replaced by the modules that they
    /// stand for, and `more` added.
    pub(crate) fn image_softdep(
        &self,
        closure: &Closure,
        more: &BTreeMap<String, SoftDeps>,
    ) -> String {
        let mut lines = Vec::new();
        for name in &closure.modules {
            let wishes = |list: fn(&SoftDeps) -> &Vec<String>| {
                let mut names: Vec<String> = Vec::new();
                let both = self.softdeps.get(name).into_iter().chain(more.get(name));
                for wish in both.flat_map(list) {
                    let Resolved::Modules(found) = self.resolve(wish) else {
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
            let pre = wishes(|deps| &deps.pre);
            let post = wishes(|deps| &deps.post);
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

    /// `modules.builtin`: all of it, so that the init can tell what is part of the kernel from
    /// what is missing.
    pub(crate) fn image_builtin(&self) -> String {
        let mut lines: Vec<String> = self
            .built_in()
            .map(|(_, stem)| format!("{stem}.ko"))
            .collect();
        lines.sort_unstable();
        joined(&lines)
    }
}

/// What [`crate::Contents`] says about loading order, by module.
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
    fn the_image_index_knows_what_the_image_holds() {
        let index = Index::parse(&texts()).unwrap();
        let closure = closure(&index, &["r8169", "bnx2x"]);
        assert_eq!(
            index.image_dep(&closure),
            "kernel/arch/x86/crypto/crc32c-intel.ko:\n\
             kernel/crypto/crc32c_generic.ko:\n\
             kernel/drivers/net/bnx2x.ko: kernel/lib/libcrc32c.ko\n\
             kernel/drivers/net/phy/realtek.ko:\n\
             kernel/drivers/net/r8169.ko:\n\
             kernel/drivers/net/weak.ko:\n\
             kernel/lib/libcrc32c.ko:\n"
        );
        assert_eq!(
            index.image_softdep(&closure, &BTreeMap::new()),
            "softdep libcrc32c pre: crc32c_intel crc32c_generic\n\
             softdep r8169 pre: realtek\n"
        );
        assert_eq!(index.image_builtin(), "kernel/net/packet/af_packet.ko\n");
    }

    #[test]
    fn aliases_of_other_modules_are_left_out() {
        let index = Index::parse(&texts()).unwrap();
        let closure = closure(&index, &["r8169"]);
        assert_eq!(
            index.image_alias(&closure),
            "alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\n"
        );
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let index = Index::parse(&texts()).unwrap();
        let all: Vec<&str> = index.modules().map(|(name, _)| name).collect();
        let closure = closure(&index, &all);
        let written = super::super::index::IndexTexts {
            dep: index.image_dep(&closure),
            alias: index.image_alias(&closure),
            softdep: index.image_softdep(&closure, &BTreeMap::new()),
            builtin: index.image_builtin(),
            ..Default::default()
        };
        let again = Index::parse(&written).unwrap();
        assert_eq!(again.image_dep(&closure), written.dep);
        assert_eq!(again.image_alias(&closure), written.alias);
        assert_eq!(
            again.image_softdep(&closure, &BTreeMap::new()),
            written.softdep
        );
        assert_eq!(again.image_builtin(), written.builtin);
    }

    #[test]
    fn the_loading_order_of_the_contents_is_written_down() {
        let index = Index::parse(&texts()).unwrap();
        let text = "[[with]]\nmodule = 'nfs'\npost = ['r8169', 'absent']\npre = ['weak']\n";
        let contents = crate::Contents::parse("x", text).unwrap();
        let closure = closure(&index, &["nfs", "r8169"]);
        assert_eq!(
            index.image_softdep(&closure, &softdeps_of(&contents)),
            "softdep nfs pre: weak post: r8169\nsoftdep r8169 pre: realtek\n"
        );
    }
}
