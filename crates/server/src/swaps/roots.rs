//! From what the file says to the root that each image has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Swaps;
use super::swap::{Swap, Tree};
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

/// The root before the one that an image has, which cannot be served. `None` if there is none.
pub(crate) fn earlier(root: &RootSettings) -> Option<RootSettings> {
    let swapped = root.swapped.as_ref()?;
    let ((tree, directory), before) = swapped.before.split_first()?;
    let mut newer = swapped.newer.clone();
    newer.push((swapped.tree, root.directory.clone()));
    Some(RootSettings {
        directory: directory.clone(),
        swapped: Some(SwappedRoot {
            configured: swapped.configured.clone(),
            tree: *tree,
            newer,
            before: before.to_vec(),
        }),
        ..root.clone()
    })
}

/// The root that an image has by the file, whether or not it can be served.
pub(crate) fn latest(root: &RootSettings) -> RootSettings {
    let mut latest = root.clone();
    let Some(swapped) = &mut latest.swapped else {
        return latest;
    };
    if swapped.newer.is_empty() {
        return latest;
    }
    let mut newer = std::mem::take(&mut swapped.newer);
    let (tree, directory) = newer.remove(0);
    let now = std::mem::replace(&mut latest.directory, directory);
    newer.push((std::mem::replace(&mut swapped.tree, tree), now));
    newer.append(&mut swapped.before);
    swapped.before = newer;
    latest
}

/// Whether machines boot an earlier root than the latest one.
pub(crate) fn is_fallen_back(root: &RootSettings) -> bool {
    (root.swapped.as_ref()).is_some_and(|swapped| !swapped.newer.is_empty())
}

/// Whether both are the same by the file: nobody has swapped it in between.
pub(crate) fn have_same_latest(one: &RootSettings, other: &RootSettings) -> bool {
    let number = |root: &RootSettings| root.swapped.as_ref().map(|swapped| swapped.tree);
    let (one, other) = (latest(one), latest(other));
    one.directory == other.directory && number(&one) == number(&other)
}

/// The root with this number of an image, as if it were the one that machines boot.
pub(crate) fn with_number(root: &RootSettings, number: u32) -> Option<RootSettings> {
    let swapped = root.swapped.as_ref()?;
    if swapped.tree == number {
        return Some(root.clone());
    }
    let mut others = swapped.others();
    let (_, directory) = others.find(|(other, _)| *other == number)?;
    Some(RootSettings {
        directory: directory.clone(),
        ..root.clone()
    })
}

/// The root that an image is to have, without the latest ones as far as those cannot be `served` now.
pub(crate) fn as_served(wanted: &RootSettings, served: &RootSettings) -> RootSettings {
    let mut root = wanted.clone();
    while is_unfit(&root, served)
        && let Some(earlier) = earlier(&root)
    {
        root = earlier;
    }
    root
}

fn is_unfit(root: &RootSettings, served: &RootSettings) -> bool {
    let (Some(swapped), Some(served)) = (&root.swapped, &served.swapped) else {
        return false;
    };
    let mut unfit = served.newer.iter();
    unfit.any(|(tree, directory)| *tree == swapped.tree && *directory == root.directory)
}

/// What is told where machines boot `instead` of the image's latest root, since that cannot be served: `why`.
pub(crate) fn not_served(image: &str, instead: &RootSettings, why: &str) -> String {
    let newer = instead.swapped.as_ref().map(|swapped| &*swapped.newer);
    let newer = newer.unwrap_or_default();
    let instead = instead.directory.display();
    let Some((_, latest)) = newer.first() else {
        return format!(
            "{image}: {instead} cannot be served, nor can an earlier root, and all stays as it was: {why}"
        );
    };
    let latest = latest.display();
    // A rollback gives the one before what the file says.
    let cure = match newer.len() {
        1 => format!("`netroot image rollback {image}`"),
        _ => format!("`netroot image swap {image} {instead}`"),
    };
    format!(
        "{image}: {latest} cannot be served, machines boot {instead}: {why}; they boot {latest} again once it can be served \
         (`netroot reload` looks at once), and {cure} makes {instead} the root for good"
    )
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
    // It has not been swapped yet, only for servers that start later. With another number its earlier roots were forgotten.
    if before.is_empty() && now.number == Tree::FIRST {
        return false;
    }
    let configured = std::mem::replace(&mut root.directory, now.root.clone());
    let before = before.iter().map(|tree| (tree.number, tree.root.clone()));
    root.swapped = Some(SwappedRoot {
        configured,
        tree: now.number,
        newer: Vec::new(),
        before: before.collect(),
    });
    true
}
