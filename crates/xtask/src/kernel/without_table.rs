//! `kernel-config/without.md`: what a machine says without each essential symbol. A run that is interrupted goes on where
//! it was.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::configure::Recipe;
use super::fragments;
use crate::setup::kernel_source;

/// What came of a kernel without a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Without `CONFIG_`.
    pub(super) symbol: String,
    /// Essential symbols that depend on it, and so are missing, too.
    pub(super) also: Vec<String>,
    /// What `netroot check-kernel` says of a kernel without it.
    pub(super) promised: String,
    /// Where the boot ends.
    pub(super) end: String,
    /// The last words on the console.
    pub(super) words: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            symbol,
            also,
            promised,
            end,
            words,
        } = self;
        write!(
            f,
            "{symbol}\n  also      {}\n  promised  {promised}\n  ends in   {end}\n  said      {words}",
            also.join(", ")
        )
    }
}

impl Row {
    fn line(&self) -> String {
        let also = self.also.iter().map(|symbol| format!("`{symbol}`"));
        let cells = [
            format!("`{}`", self.symbol),
            also.collect::<Vec<_>>().join(", "),
            self.promised.clone(),
            self.end.clone(),
            self.words.clone(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", cells.join(" | "))
    }
}

/// The rows of the file, as lines with their symbols.
pub(super) struct Table {
    head: String,
    lines: Vec<(String, String)>,
    /// The essential symbols, in the order of the fragments.
    order: Vec<String>,
}

/// The line of the symbols without a row.
const NOT_YET: &str = "Not yet done: ";

fn path() -> PathBuf {
    paths::workspace().join("kernel-config/without.md")
}

impl Table {
    /// The file's rows, if they are of the kernel of this recipe; none otherwise.
    ///
    /// # Errors
    /// When it is there and cannot be read, or the source was not fetched.
    pub(super) fn read(recipe: &Recipe) -> Result<Self> {
        let (path, mut text) = (path(), String::new());
        if path.exists() {
            text = std::fs::read_to_string(&path)
                .with_context(|| format!("read {}", path.display()))?;
        }
        let head = head(recipe)?;
        let wanted = fragments::wanted(&recipe.fragments, recipe.arch)?;
        let order = wanted.into_iter().filter(|wanted| wanted.is_essential);
        Ok(Self {
            lines: match text.starts_with(&head) {
                true => lines(&text),
                false => Vec::new(),
            },
            head,
            order: order.map(|wanted| wanted.symbol).collect(),
        })
    }

    /// Whether a symbol has a row.
    pub(super) fn has(&self, symbol: &str) -> bool {
        self.lines.iter().any(|(of, _)| of == symbol)
    }

    /// Adds a row, in place of the symbol's last one. Others than essential symbols are not in the file.
    pub(super) fn add(&mut self, row: Row) {
        if self.order.contains(&row.symbol) {
            self.lines.retain(|(of, _)| *of != row.symbol);
            let line = row.line();
            self.lines.push((row.symbol, line));
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        let path = path();
        std::fs::write(&path, self.text()).with_context(|| format!("write {}", path.display()))
    }

    fn text(&self) -> String {
        let mut text = self.head.clone();
        let rows = self.order.iter().filter_map(|symbol| {
            let mut lines = self.lines.iter();
            lines.find(|(of, _)| of == symbol)
        });
        for (_, line) in rows {
            text.push_str(line);
            text.push('\n');
        }
        let left: Vec<&str> = self
            .order
            .iter()
            .filter(|symbol| !self.has(symbol))
            .map(String::as_str)
            .collect();
        if !left.is_empty() {
            let left = left.join(", ");
            text.extend(["\n", NOT_YET, &left, ".\n"]);
        }
        text
    }
}

/// What stands above the rows. The kernel's name has a hash of its configuration: rows of another one are not kept.
fn head(recipe: &Recipe) -> Result<String> {
    let kernel = recipe.folder()?;
    let kernel = kernel.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!(
        "# A kernel without one of its essential symbols

`cargo xtask kernel --without-each` writes this file. It builds Linux {} from {} with {}.config
once for each symbol, without it, and boots it in QEMU with an initrd that holds the init alone, over the export of
`netroot serve`. A symbol takes others with it that depend on it. What `netroot check-kernel` says is the fragment's
`# else:`; beside it stands where the boot ends, and what the machine says last. Remove a row to have it made anew.

The kernel with all of them: `{kernel}`.

| without | and so without | `netroot check-kernel` | ends in | the last words |
|---|---|---|---|---|
",
        kernel_source::version()?,
        recipe.base.name(),
        recipe.fragments.join(".config, ")
    ))
}

/// The rows of a file, with their symbols.
fn lines(text: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let (symbol, _) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((symbol.to_owned(), line.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fragments::Arch;
    use super::*;

    fn row(symbol: &str, words: &str) -> Row {
        Row {
            symbol: symbol.to_owned(),
            also: vec!["B".to_owned(), "C".to_owned()],
            promised: "no network".to_owned(),
            end: "the init".to_owned(),
            words: words.to_owned(),
        }
    }

    #[test]
    fn rows_are_in_the_order_of_the_fragments_and_replaced_by_newer_ones() {
        let order = ["A", "B", "C"].map(str::to_owned).into();
        let (head, lines) = ("head\n".to_owned(), Vec::new());
        let mut table = Table { head, lines, order };
        for row in [
            row("C", "one"),
            row("A", "a | b"),
            row("C", "two"),
            row("X", "useful"),
        ] {
            table.add(row);
        }
        let expected = "head\n\
            | `A` | `B`, `C` | no network | the init | a \\| b |\n\
            | `C` | `B`, `C` | no network | the init | two |\n\
            \nNot yet done: B.\n";
        assert_eq!(table.text(), expected);
        let again: Vec<String> = lines_of(expected);
        assert_eq!(again, ["A", "C"]);
    }

    fn lines_of(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|(symbol, _)| symbol).collect()
    }

    #[test]
    fn the_file_has_each_essential_symbol_with_the_sentence_of_its_fragment_or_as_not_yet_done() {
        let text = std::fs::read_to_string(path()).unwrap();
        let recipe = Recipe::smallest(Arch::X86_64);
        let wanted = fragments::wanted(&recipe.fragments, recipe.arch).unwrap();
        let essential = wanted.iter().filter(|wanted| wanted.is_essential);
        let rows = lines(&text);
        let left = text.lines().find_map(|line| line.strip_prefix(NOT_YET));
        let left = left.unwrap_or_default().trim_end_matches('.').split(", ");
        let mut named: Vec<&str> = rows.iter().map(|(symbol, _)| symbol.as_str()).collect();
        named.extend(left.filter(|symbol| !symbol.is_empty()));
        named.sort_unstable();
        let mut all: Vec<&str> = essential.clone().map(|one| one.symbol.as_str()).collect();
        all.sort_unstable();
        assert_eq!(named, all);
        for (symbol, line) in &rows {
            let of_it = essential.clone().find(|wanted| wanted.symbol == *symbol);
            let sentence = of_it.unwrap().otherwise.replace('|', "\\|");
            assert!(
                line.contains(&format!("| {sentence} |")),
                "{symbol} says {sentence}: {line}"
            );
        }
    }
}
