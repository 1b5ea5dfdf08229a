//! The modules of a crate, read from its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item};

use super::references::{self, Import, Reference};

/// The modules of one crate. The first is its root.
#[derive(Debug)]
pub(super) struct Modules {
    all: Vec<Module>,
    /// Macros of `#[macro_export]`, which live in the crate's root, and the module that defines each.
    exported_macros: BTreeMap<String, usize>,
}

#[derive(Debug)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// The index of the module around this one; of itself for the root.
    pub(super) parent: usize,
    pub(super) children: BTreeMap<String, usize>,
    /// The `use` items of the module itself, which modules below it see as well.
    pub(super) imports: Vec<Import>,
    /// The `use` items inside its functions.
    pub(super) inner_imports: Vec<Import>,
    /// The names defined here.
    pub(super) items: BTreeSet<String>,
    /// Every path of the code, those of `use` items too.
    pub(super) references: Vec<Reference>,
}

impl Modules {
    /// Reads the crate whose root is the file `root`, and every file that it declares.
    ///
    /// # Errors
    /// When a file is missing, cannot be read or is not Rust.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut modules = Self {
            all: Vec::new(),
            exported_macros: BTreeMap::new(),
        };
        let folder = root.parent().context("a file has a folder")?;
        modules.read_file(root, folder, 0)?;
        Ok(modules)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Module> {
        self.all.get(index)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Module)> {
        self.all.iter().enumerate()
    }

    /// Which child of `parent` the module `index` is, or is below.
    pub(super) fn child_above(&self, parent: usize, mut index: usize) -> Option<usize> {
        while index != 0 {
            let above = self.get(index)?.parent;
            if above == parent {
                return Some(index);
            }
            index = above;
        }
        None
    }

    /// The module as code names it: `crate::a::b`.
    pub(super) fn path(&self, mut index: usize) -> String {
        let mut path = Vec::new();
        while index != 0
            && let Some(above) = self.get(index).and_then(|module| self.get(module.parent))
        {
            let name = above.children.iter().find(|(_, child)| **child == index);
            path.extend(name.map(|(name, _)| name.as_str()));
            index = self.get(index).map_or(0, |module| module.parent);
        }
        path.push("crate");
        path.reverse();
        path.join("::")
    }

    pub(super) fn exported_macro(&self, name: &str) -> Option<usize> {
        self.exported_macros.get(name).copied()
    }

    /// How many files they are.
    pub(super) fn files(&self) -> usize {
        let files: BTreeSet<&Path> = self.all.iter().map(|m| m.file.as_path()).collect();
        files.len()
    }

    /// Adds the module in `file`, whose children's files are in `folder`.
    fn read_file(&mut self, file: &Path, folder: &Path, parent: usize) -> Result<usize> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("parse {}", file.display()))?;
        if parsed.attrs.iter().any(references::is_for_tests) {
            // The file says itself that it is a test: an empty module.
            return self.read_items(&[], file, folder, parent);
        }
        self.read_items(&parsed.items, file, folder, parent)
    }

    fn read_items(
        &mut self,
        items: &[Item],
        file: &Path,
        folder: &Path,
        parent: usize,
    ) -> Result<usize> {
        let found = references::collect(items);
        let index = self.all.len();
        for name in found.exported_macros {
            self.exported_macros.insert(name, index);
        }
        self.all.push(Module {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            imports: found.imports,
            inner_imports: found.inner_imports,
            items: found.items,
            references: found.references,
        });
        for item in items {
            let Item::Mod(module) = item else { continue };
            if module.attrs.iter().any(references::is_for_tests) {
                continue;
            }
            let name = module.ident.to_string();
            let below = folder.join(&name);
            let child = match &module.content {
                Some((_, items)) => self.read_items(items, file, &below, index)?,
                None => {
                    let (child, below) = child_file(file, folder, &name, &module.attrs)?;
                    self.read_file(&child, &below, index)?
                }
            };
            if let Some(module) = self.all.get_mut(index) {
                module.children.insert(name, child);
            }
        }
        Ok(index)
    }
}

/// The file of `mod name;` in `file`, and the folder of that module's children.
fn child_file(
    file: &Path,
    folder: &Path,
    name: &str,
    attributes: &[Attribute],
) -> Result<(PathBuf, PathBuf)> {
    if let Some(path) = attributes.iter().find_map(references::path_attribute) {
        let beside = file.parent().unwrap_or(folder);
        let child = beside.join(path);
        let below = child.parent().unwrap_or(beside).to_owned();
        return Ok((child, below));
    }
    let below = folder.join(name);
    let candidates = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
    match candidates.into_iter().find(|candidate| candidate.exists()) {
        Some(child) => Ok((child, below)),
        None => bail!("{} declares `mod {name};`: no such file", file.display()),
    }
}
