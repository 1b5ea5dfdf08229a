//! Parses the index. Unknown lines are skipped, as by kmod; only `modules.dep` is parsed strictly, because an initrd
//! without a dependency does not boot.

use std::collections::BTreeMap;

use netroot_kmod::{module_name, module_stem};

use super::alias::Alias;
use super::index::{Index, IndexError, IndexTexts, Module, SoftDeps};

impl Index {
    /// Parses the texts of one module tree.
    ///
    /// # Errors
    /// [`IndexError`] where `modules.dep` is damaged.
    pub(crate) fn parse(texts: &IndexTexts) -> Result<Index, IndexError> {
        let mut index = Index {
            modules: modules(&texts.dep)?,
            builtin: builtin(&texts.builtin),
            aliases: aliases(&texts.alias),
            softdeps: softdeps(&texts.softdep),
            weakdeps: weakdeps(&texts.weakdep),
            ..Index::default()
        };
        for entry in texts.builtin_modinfo.split('\0') {
            let Some((name, (key, value))) = entry
                .split_once('.')
                .and_then(|(name, rest)| Some((name, rest.split_once('=')?)))
            else {
                continue;
            };
            match key {
                "alias" => index.builtin_aliases.push(Alias::new(value, name)),
                "firmware" => index
                    .builtin_firmware
                    .entry(module_name(name))
                    .or_default()
                    .push(value.to_owned()),
                _ => {}
            }
        }
        Ok(index)
    }
}

/// `modules.dep`: `kernel/a/b.ko.xz: kernel/c.ko.xz kernel/d.ko.xz`.
fn modules(text: &str) -> Result<BTreeMap<String, Module>, IndexError> {
    let mut modules = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let line_number = at + 1;
        let Some((path, needs)) = line.split_once(':') else {
            return Err(IndexError::NoColon { line: line_number });
        };
        let path = below_the_tree(path, line_number)?;
        let needs = needs
            .split_ascii_whitespace()
            .map(|needed| Ok(module_name(below_the_tree(needed, line_number)?)))
            .collect::<Result<_, _>>()?;
        // depmod lists a name once; if there are two, it prefers the first.
        modules.entry(module_name(path)).or_insert_with(|| Module {
            path: path.to_owned(),
            needs,
        });
    }
    Ok(modules)
}

/// A path of `modules.dep` becomes a path in the initrd, so it must not contain `..`; its name must contain `.ko`.
fn below_the_tree(path: &str, line: usize) -> Result<&str, IndexError> {
    let has_dots = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_module = file.find(".ko").is_some_and(|at| {
        at > 0
            && matches!(
                file.get(at..),
                Some(".ko" | ".ko.gz" | ".ko.xz" | ".ko.zst")
            )
    });
    if has_dots || !is_module || path.contains('\0') {
        return Err(IndexError::BadPath {
            line,
            path: path.to_owned(),
        });
    }
    Ok(path)
}

/// `modules.builtin`: a path per line.
fn builtin(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| (module_name(line), module_stem(line).to_owned()))
        .collect()
}

/// `modules.alias`: `alias <pattern> <module>`.
fn aliases(text: &str) -> Vec<Alias> {
    text.lines()
        .filter_map(|line| {
            // An alias may contain spaces (some of ACPI and DMI do): the module is the last word.
            let (pattern, module) = line.strip_prefix("alias ")?.trim_end().rsplit_once(' ')?;
            Some(Alias::new(pattern.trim(), module))
        })
        .collect()
}

/// `modules.softdep`: `softdep <module> pre: <names> post: <names>`, several lines per module.
fn softdeps(text: &str) -> BTreeMap<String, SoftDeps> {
    enum Part {
        Neither,
        Pre,
        Post,
    }
    let mut all: BTreeMap<String, SoftDeps> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("softdep") {
            continue;
        }
        let Some(module) = words.next() else { continue };
        let deps = all.entry(module_name(module)).or_default();
        let mut part = Part::Neither;
        for word in words {
            match (word, &part) {
                ("pre:", _) => part = Part::Pre,
                ("post:", _) => part = Part::Post,
                (name, Part::Pre) => deps.pre.push(name.to_owned()),
                (name, Part::Post) => deps.post.push(name.to_owned()),
                // `softdep cifs gcm`, as in Linux 6.1, is neither: modprobe ignores it.
                (_, Part::Neither) => {}
            }
        }
    }
    all
}

/// `modules.weakdep`: `weakdep <module> <names>`.
fn weakdeps(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if let (Some("weakdep"), Some(module)) = (words.next(), words.next()) {
            let names = all.entry(module_name(module)).or_default();
            names.extend(words.map(str::to_owned));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_damaged_line_of_modules_dep_is_reported() {
        assert_eq!(
            modules("kernel/a.ko:\nkernel/b.ko\n"),
            Err(IndexError::NoColon { line: 2 })
        );
        for path in [
            "../../../etc/shadow",
            "/lib/modules/6.1/kernel/a.ko",
            "kernel/../a.ko",
            "kernel/a.ko.bz2",
            "kernel/.ko",
            "kernel/a",
        ] {
            let error = modules(&format!("# generated\n{path}:\n")).unwrap_err();
            let path = path.to_owned();
            assert_eq!(error, IndexError::BadPath { line: 2, path });
        }
    }

    #[test]
    fn soft_dependencies_on_several_lines_are_merged() {
        let parsed = softdeps(
            "softdep a-b pre: c d post: e\nsoftdep a_b f\nsoftdep a_b post: g\n#x\nsoftdep",
        );
        let deps = &parsed["a_b"];
        assert_eq!(deps.pre, ["c", "d"]);
        assert_eq!(deps.post, ["e", "g"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "[ a-z0-9./:*\\[\\]\\-#\n\0=]{0,300}") {
            let _ = Index::parse(&IndexTexts {
                dep: text.clone(),
                alias: text.clone(),
                softdep: text.clone(),
                weakdep: text.clone(),
                builtin: text.clone(),
                builtin_modinfo: text,
            });
        }

        #[test]
        fn a_module_of_modules_dep_is_always_found_by_its_name(
            name in "[a-z][a-z0-9_-]{0,20}",
            suffix in prop::sample::select(vec!["", ".gz", ".xz", ".zst"]),
        ) {
            let path = format!("kernel/drivers/{name}.ko{suffix}");
            let parsed = modules(&format!("{path}:\n")).unwrap();
            prop_assert_eq!(&parsed[&module_name(&name)].path, &path);
        }
    }
}
