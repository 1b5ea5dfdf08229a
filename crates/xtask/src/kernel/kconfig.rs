//! What the kernel's `Kconfig` files say of a symbol, as far as it explains why one was lost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::fragments::asked;

/// Where each symbol is declared, and what it depends on there.
pub(super) struct Kconfig(HashMap<String, Vec<Declaration>>);

struct Declaration {
    /// `fs/Kconfig:170`
    place: String,
    /// Conditions that all have to hold: its own, and those of the blocks around it in its file.
    depends_on: Vec<String>,
}

impl Kconfig {
    /// Reads every `Kconfig` file of a source.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn read(source: &Path) -> Result<Self> {
        let mut all = Self(HashMap::new());
        let mut folders = vec![source.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder);
            for entry in entries.with_context(|| format!("read {}", folder.display()))? {
                let entry = entry?;
                let name = entry.file_name();
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if name.to_string_lossy().starts_with("Kconfig") {
                    all.add(source, &entry.path())?;
                }
            }
        }
        Ok(all)
    }

    fn add(&mut self, source: &Path, file: &PathBuf) -> Result<()> {
        let bytes = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let name = file
            .strip_prefix(source)
            .unwrap_or(file)
            .display()
            .to_string();
        for (symbol, declaration) in declarations(&name, &String::from_utf8_lossy(&bytes)) {
            self.0.entry(symbol).or_default().push(declaration);
        }
        Ok(())
    }

    /// Why a symbol is not in `config`.
    pub(super) fn why(&self, symbol: &str, config: &str) -> String {
        let Some(declarations) = self.0.get(symbol) else {
            return "this kernel has no such symbol".to_owned();
        };
        let each = declarations.iter().map(|declaration| {
            let Declaration { place, depends_on } = declaration;
            if depends_on.is_empty() {
                return format!("{place}: it depends on nothing there");
            }
            let condition = depends_on.join(" && ");
            let unset = unset(&condition, config);
            match unset.is_empty() {
                true => format!("{place}: it depends on {condition}"),
                false => format!(
                    "{place}: it depends on {condition}, of which {} {} not set",
                    unset.join(", "),
                    if unset.len() == 1 { "is" } else { "are" }
                ),
            }
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// The symbols of a condition that are not set.
fn unset<'a>(condition: &'a str, config: &str) -> Vec<&'a str> {
    let is_set = |symbol: &str| {
        config
            .lines()
            .filter_map(asked)
            .any(|line| line == (symbol, true))
    };
    let words = condition.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '!');
    let mut unset: Vec<&str> = words
        .filter(|word| {
            word.len() > 1
                && word
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|word| !is_set(word))
        .collect();
    unset.sort_unstable();
    unset.dedup();
    unset
}

fn declarations(file: &str, text: &str) -> Vec<(String, Declaration)> {
    let mut all: Vec<(String, Declaration)> = Vec::new();
    // The conditions of `if` blocks and menus that are open, and whether the last thing begun is a symbol or a menu.
    let mut blocks: Vec<Option<String>> = Vec::new();
    let mut in_symbol = false;
    for (index, line) in text.lines().enumerate() {
        let (word, rest) = line
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((line.trim(), ""));
        // Help text is indented further, but never begins like this at the start of a line.
        let begins = !line.starts_with(char::is_whitespace);
        match word {
            "config" | "menuconfig" => {
                in_symbol = true;
                let place = format!("{file}:{}", index + 1);
                let depends_on = blocks.iter().flatten().cloned().collect();
                let declaration = Declaration { place, depends_on };
                all.push((rest.trim().to_owned(), declaration));
            }
            "if" if begins => {
                in_symbol = false;
                blocks.push(Some(parenthesised(rest)));
            }
            "menu" | "choice" if begins => {
                in_symbol = false;
                blocks.push(None);
            }
            "endif" | "endmenu" | "endchoice" => {
                in_symbol = false;
                blocks.pop();
            }
            "depends" => {
                let condition = rest.trim().strip_prefix("on").unwrap_or(rest).trim();
                match (in_symbol, all.last_mut(), blocks.last_mut()) {
                    (true, Some((_, last)), _) => last.depends_on.push(parenthesised(condition)),
                    (false, _, Some(block)) => *block = Some(parenthesised(condition)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    all
}

fn parenthesised(condition: &str) -> String {
    match condition.contains("||") {
        true => format!("({condition})"),
        false => condition.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "menu \"Pseudo filesystems\"\n\ndepends on MMU\n\nconfig TMPFS\n\tbool \"Virtual memory\"\n\tdepends on SHMEM\n\thelp\n\
        \t  if this depends on luck, say N.\n\nif A || B\nconfig TMPFS_XATTR\n\tbool\n\tdepends on TMPFS\nendif\nendmenu\nconfig ALONE\n\tbool\n";

    #[test]
    fn a_lost_symbol_is_told_with_what_it_depends_on() {
        let kconfig = Kconfig(
            declarations("fs/Kconfig", TEXT)
                .into_iter()
                .map(|(symbol, declaration)| (symbol, vec![declaration]))
                .collect(),
        );
        let config = "CONFIG_MMU=y\nCONFIG_A=y\n";
        assert_eq!(
            kconfig.why("TMPFS", config),
            "fs/Kconfig:5: it depends on MMU && SHMEM, of which SHMEM is not set"
        );
        assert_eq!(
            kconfig.why("TMPFS_XATTR", "CONFIG_MMU=y\n"),
            "fs/Kconfig:12: it depends on MMU && (A || B) && TMPFS, of which TMPFS is not set"
        );
        assert_eq!(
            kconfig.why("ALONE", config),
            "fs/Kconfig:17: it depends on nothing there"
        );
        assert_eq!(
            kconfig.why("NFS_V9", config),
            "this kernel has no such symbol"
        );
    }
}
