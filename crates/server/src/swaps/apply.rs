//! From what the file says to the root that each image has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Swap, Swaps, Tree};
use crate::settings::{
    CatalogSettings, ImageSettings, ImageSource, Origin, RootSettings, SwappedRoot,
};

/// Gives each image the root that it has by the file. Returns what in the file counts for nothing, a sentence each. Pure, so
/// that every process that reads the same comes to the same, and what was applied before makes no difference.
pub(crate) fn apply(
    catalog: &mut CatalogSettings,
    swaps: &Swaps,
    file: &Path,
    obeyed: &BTreeSet<u64>,
) -> Vec<String> {
    let mut idle: BTreeMap<&String, &Swap> = swaps.images.iter().collect();
    for image in &mut catalog.images {
        let ImageSource::Root(root) = &mut image.source else {
            continue;
        };
        undo(root);
        // On the command line an image has the name of its directory, which may be gone by now.
        let own = swaps.images.iter().find(|(name, swap)| match &image.name {
            Some(own) => own == *name,
            None => swap.configured == root.directory,
        });
        let Some((name, swap)) = own else {
            continue;
        };
        if !swap.counts_for(&root.directory) || root.nfsroot.is_some() {
            continue;
        }
        idle.remove(name);
        if put(root, &swap.trees(obeyed, &root.directory)) {
            image.name = Some(name.clone());
        }
    }
    // Others are those of other directories, for when they are served again.
    if (catalog.images.iter()).all(|image| image.origin == Origin::CommandLine) {
        return Vec::new();
    }
    let told = |(name, swap): (&String, &Swap)| {
        let root = |image: &ImageSettings| Some(image.source.root()?.directory.clone());
        let mut images = catalog.images.iter();
        let image = images.find(|image| image.name.as_ref() == Some(name));
        let since = match image.and_then(root) {
            Some(root) => format!("{} is configured since, and is booted", root.display()),
            None => "no image of this name has a root".to_owned(),
        };
        let now = swap
            .trees
            .first()
            .map_or(&swap.configured, |tree| &tree.root);
        format!(
            "{}: {name} was swapped from {} to {}, but {since}; `netroot image forget {name}` drops the entry",
            file.display(),
            swap.configured.display(),
            now.display()
        )
    };
    idle.into_iter().map(told).collect()
}

/// The image's root is an earlier one instead, the latest that has not been `tried`, by their numbers; the others are kept for
/// machines that run from them. `None` if there is none left.
pub(crate) fn without_swap(root: &RootSettings, tried: &BTreeSet<u32>) -> Option<RootSettings> {
    let swapped = root.swapped.as_ref()?;
    let mut all = swapped.before.iter();
    let at = all.position(|(number, _)| !tried.contains(number))?;
    let mut before = swapped.before.clone();
    let (tree, directory) = before.remove(at);
    before.insert(0, (swapped.tree, root.directory.clone()));
    Some(RootSettings {
        directory,
        swapped: Some(SwappedRoot {
            configured: swapped.configured.clone(),
            tree,
            before,
        }),
        ..root.clone()
    })
}

fn undo(root: &mut RootSettings) {
    if let Some(swapped) = root.swapped.take() {
        root.directory = swapped.configured;
    }
}

fn put(root: &mut RootSettings, trees: &[Tree]) -> bool {
    let Some((now, before)) = trees.split_first() else {
        return false;
    };
    // It has not been swapped yet, only for servers that start later.
    if before.is_empty() {
        return false;
    }
    let configured = std::mem::replace(&mut root.directory, now.root.clone());
    let before = before.iter().map(|tree| (tree.number, tree.root.clone()));
    root.swapped = Some(SwappedRoot {
        configured,
        tree: now.number,
        before: before.collect(),
    });
    true
}
