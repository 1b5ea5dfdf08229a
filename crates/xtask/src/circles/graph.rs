//! What uses what, and the circles in that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::resolve::Use;
use super::tree::Modules;

/// Things that depend on each other in a circle, and by what.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Circle {
    /// What they are, for a person to read.
    pub(super) parts: Vec<String>,
    /// For each pair of files: the names that the first takes from the second, each with the first line that has it.
    pub(super) uses: BTreeMap<(PathBuf, PathBuf), BTreeMap<String, usize>>,
}

/// The circles of a crate: those of files, then those of neighbours in one module, each with all that is below it.
/// A circle of neighbours that is one of files already is left out.
pub(super) fn circles(modules: &Modules, uses: &[Use]) -> Vec<Circle> {
    let file = |index| modules.get(index).map(|module| module.file.clone());
    let mut found: Vec<Circle> = strong(uses, file)
        .into_iter()
        .map(|files| {
            circle(modules, uses, &files, file, |path| {
                path.display().to_string()
            })
        })
        .collect();
    for (parent, module) in modules.all() {
        let neighbour = |index| modules.child_above(parent, index);
        for children in strong(uses, neighbour) {
            let name = |child: &usize| {
                let mut names = module.children.iter().filter(|(_, index)| *index == child);
                let name = names
                    .next()
                    .map(|(name, _)| name.as_str())
                    .unwrap_or_default();
                format!("{}::{name}", modules.path(parent))
            };
            let circle = circle(modules, uses, &children, neighbour, name);
            let known =
                |other: &Circle| circle.uses.keys().all(|pair| other.uses.contains_key(pair));
            if !found.iter().any(known) {
                found.push(circle);
            }
        }
    }
    found
}

/// The circle that `members` are, when `group` says what a module is counted to.
fn circle<T: Ord>(
    modules: &Modules,
    uses: &[Use],
    members: &BTreeSet<T>,
    group: impl Fn(usize) -> Option<T>,
    name: impl Fn(&T) -> String,
) -> Circle {
    let mut between = BTreeMap::new();
    for used in uses {
        let (Some(from), Some(to)) = (group(used.from), group(used.to)) else {
            continue;
        };
        let within = from != to && members.contains(&from) && members.contains(&to);
        if let (true, Some(from), Some(to)) = (within, modules.get(used.from), modules.get(used.to))
        {
            between
                .entry((from.file.clone(), to.file.clone()))
                .or_insert_with(BTreeMap::new)
                .entry(used.name.clone())
                .or_insert(used.line);
        }
    }
    Circle {
        parts: members.iter().map(name).collect(),
        uses: between,
    }
}

/// The strongly connected components of more than one member.
fn strong<T: Ord + Clone>(
    uses: &[Use],
    group: impl Fn(usize) -> Option<T>,
) -> BTreeSet<BTreeSet<T>> {
    let mut edges: BTreeMap<T, BTreeSet<T>> = BTreeMap::new();
    for used in uses {
        if let (Some(from), Some(to)) = (group(used.from), group(used.to))
            && from != to
        {
            edges.entry(from).or_default().insert(to);
        }
    }
    let reaches: BTreeMap<&T, BTreeSet<&T>> = edges
        .keys()
        .map(|from| (from, reachable(&edges, from)))
        .collect();
    let reach = |from: &T, to: &T| reaches.get(from).is_some_and(|found| found.contains(to));
    edges
        .keys()
        .map(|from| {
            edges
                .keys()
                .filter(|to| reach(from, to) && reach(to, from))
                .cloned()
                .collect()
        })
        .filter(|circle: &BTreeSet<T>| !circle.is_empty())
        .collect()
}

/// What can be reached from `start` by one edge or more.
fn reachable<'a, T: Ord>(edges: &'a BTreeMap<T, BTreeSet<T>>, start: &'a T) -> BTreeSet<&'a T> {
    let mut found = BTreeSet::new();
    let mut queue = vec![start];
    while let Some(from) = queue.pop() {
        for next in edges.get(from).into_iter().flatten() {
            if found.insert(next) {
                queue.push(next);
            }
        }
    }
    found
}

impl Circle {
    /// The circle's parts, and what each takes from the others.
    pub(super) fn describe(&self, folder: &Path) -> String {
        let short = |path: &Path| {
            path.strip_prefix(folder)
                .unwrap_or(path)
                .display()
                .to_string()
        };
        let parts = self.parts.iter().map(|part| short(Path::new(part)));
        let mut lines = vec![format!(
            "a circle of {}:",
            parts.collect::<Vec<_>>().join(", ")
        )];
        for ((from, to), names) in &self.uses {
            let names = names
                .iter()
                .map(|(name, line)| format!("{name} (line {line})"));
            let names = names.collect::<Vec<_>>().join(", ");
            lines.push(format!("  {} -> {}: {names}", short(from), short(to)));
        }
        lines.join("\n")
    }
}
