//! Which files use which, and the circles among them: the strongly connected components of more than one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// For each file, the files that it takes names from: each name with the first line that has it.
pub(super) type Edges = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeMap<String, usize>>>;

/// Each circle's files, in order.
pub(super) fn circles(edges: &Edges) -> BTreeSet<BTreeSet<PathBuf>> {
    edges
        .keys()
        .map(|file| {
            reachable(edges, file)
                .into_iter()
                .filter(|other| reachable(edges, other).contains(file))
                .collect::<BTreeSet<_>>()
        })
        .filter(|circle| !circle.is_empty())
        .collect()
}

/// What can be reached from `start` by one edge or more.
fn reachable(edges: &Edges, start: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut queue = vec![start.to_owned()];
    while let Some(file) = queue.pop() {
        for next in edges.get(&file).into_iter().flat_map(|to| to.keys()) {
            if found.insert(next.clone()) {
                queue.push(next.clone());
            }
        }
    }
    found
}
