//! `netroot image swap`: which directory is the root of an image since somebody swapped it, and which ones were before.
//!
//! That is written by the command, run as root, into a file that only root may write ([`file`]). A server that was taken over
//! cannot name directories: it is told which ones by its helpers, which read the file themselves as they read the
//! configuration.
//!
//! ```text
//! file → Swaps → apply → CatalogSettings            every process that reads the configuration comes to the same
//! Swaps → swap, roll_back, forget → Swaps           the command
//! ```
//!
//! An image's entry counts while the configuration names the directory that was swapped from, or one that was swapped to: that
//! one is booted then. With any other directory in the configuration, that is booted, and the entry is dropped when the
//! image is swapped the next time, or by `netroot image forget`.

pub(crate) mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::settings::{
    CatalogSettings, ImageSettings, ImageSource, Origin, RootSettings, SwappedRoot,
};

/// How many earlier roots of an image are kept in the file. More only replace those that are closed.
const MOST_BEFORE: usize = 32;

/// The images whose roots were swapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swaps {
    #[serde(default)]
    images: BTreeMap<String, Swap>,
}

/// The roots of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Swap {
    /// The root that was configured then.
    configured: PathBuf,
    /// The one that machines boot, then those before it, the latest first. The configured one is among them.
    trees: Vec<Tree>,
    /// What it is for servers that start from now on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at_restart: Option<AtRestart>,
}

/// A swap that a server obeys that has found it when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtRestart {
    /// Tells it from every other one.
    id: u64,
    trees: Vec<Tree>,
}

/// A directory that is or was an image's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    /// Tells it from the image's others in the paths that machines mount, for as long as it is known.
    number: u32,
    root: PathBuf,
}

/// An image's root cannot be swapped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SwapError {
    /// Nothing would change.
    #[error("{} is the root of {image} already", root.display())]
    Same {
        /// The image.
        image: String,
        /// Its root.
        root: PathBuf,
    },
    /// There is none to go back to.
    #[error("the root of {image} was never swapped; `netroot image swap {image} DIR` does that")]
    Never {
        /// The image.
        image: String,
    },
    /// Machines may run from all of them.
    #[error(
        "{image} has {MOST_BEFORE} earlier roots, none of which is closed yet; restart the machines that run from {} first \
         (`netroot image {image}` names them)",
        oldest.display()
    )]
    TooMany {
        /// The image.
        image: String,
        /// The oldest of them.
        oldest: PathBuf,
    },
}

/// When a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// As soon as it is written.
    Now,
    /// For servers that start from now on, by a number that no other change has.
    AtRestart(u64),
}

/// What a change of an image's root is based on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    /// The root that the configuration names.
    pub(crate) configured: &'a Path,
    /// The one that machines boot.
    pub(crate) now: &'a Path,
}

impl Swaps {
    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// From now on `root` is the root of an image. Of more earlier ones than are kept, those are forgotten that `is_closed`
    /// says nobody runs from.
    ///
    /// # Errors
    /// [`SwapError::Same`], [`SwapError::TooMany`].
    pub(crate) fn swap(
        &mut self,
        image: &str,
        served: Served<'_>,
        root: &Path,
        (when, is_closed): (When, &dyn Fn(&Path) -> bool),
    ) -> Result<(), SwapError> {
        let known = self.images.get(image);
        let known = known.filter(|swap| swap.counts_for(served.configured));
        let mut swap = match known {
            Some(swap) => swap.of_server(served),
            None => Swap::of(served.configured),
        };
        let known = swap.trees.iter().position(|tree| tree.root == root);
        if known == Some(0) {
            return Err(SwapError::Same {
                image: image.to_owned(),
                root: root.to_owned(),
            });
        }
        let before = swap.trees.clone();
        let tree = match known {
            Some(known) => swap.trees.remove(known),
            None => Tree {
                number: swap.next_number(),
                root: root.to_owned(),
            },
        };
        swap.trees.insert(0, tree);
        while swap.trees.len() > MOST_BEFORE + 1 {
            let is_needed = |tree: &Tree| tree.root == swap.configured || tree.root == root;
            let mut trees = swap.trees.iter();
            match trees.rposition(|tree| !is_needed(tree) && is_closed(&tree.root)) {
                Some(closed) => drop(swap.trees.remove(closed)),
                None => {
                    let oldest = swap.trees.last().map(|tree| tree.root.clone());
                    return Err(SwapError::TooMany {
                        image: image.to_owned(),
                        oldest: oldest.unwrap_or_default(),
                    });
                }
            }
        }
        self.images.insert(image.to_owned(), swap.at(when, before));
        Ok(())
    }

    /// The root of an image is from now on what it was before it was swapped last. Returns which directory that is. What is
    /// `served` is not known where no server runs.
    ///
    /// # Errors
    /// [`SwapError::Never`].
    pub(crate) fn roll_back(
        &mut self,
        image: &str,
        served: Option<Served<'_>>,
        when: When,
    ) -> Result<PathBuf, SwapError> {
        let never = || SwapError::Never {
            image: image.to_owned(),
        };
        let swap = self.images.get(image).ok_or_else(never)?;
        let mut swap = match served {
            Some(served) if !swap.counts_for(served.configured) => return Err(never()),
            Some(served) => swap.of_server(served),
            None => swap.of_next_start(),
        };
        if swap.trees.len() < 2 {
            return Err(never());
        }
        let before = swap.trees.clone();
        swap.trees.swap(0, 1);
        let now = swap.trees.first().map(|tree| tree.root.clone());
        self.images.insert(image.to_owned(), swap.at(when, before));
        now.ok_or_else(never)
    }

    /// The configured root of an image is its root. Returns whether there was anything to forget.
    pub(crate) fn forget(&mut self, image: &str) -> bool {
        self.images.remove(image).is_some()
    }

    /// Drops what does not count for an image of the configuration.
    pub(crate) fn drop_idle(&mut self, image: &str, configured: &Path) {
        self.images
            .retain(|name, swap| name != image || swap.counts_for(configured));
    }

    /// The changes that a server obeys that starts now.
    fn at_restart(&self) -> BTreeSet<u64> {
        let all = self.images.values();
        all.filter_map(|swap| Some(swap.at_restart.as_ref()?.id))
            .collect()
    }
}

impl Swap {
    fn of(configured: &Path) -> Self {
        Self {
            configured: configured.to_owned(),
            trees: vec![Tree {
                number: 1,
                root: configured.to_owned(),
            }],
            at_restart: None,
        }
    }

    fn next_number(&self) -> u32 {
        let numbers = self.trees.iter().map(|tree| tree.number);
        numbers.max().unwrap_or_default().saturating_add(1)
    }

    fn counts_for(&self, configured: &Path) -> bool {
        let next = self.at_restart.iter().flat_map(|next| &next.trees);
        let mut trees = self.trees.iter().chain(next);
        self.configured == configured || trees.any(|tree| tree.root == configured)
    }

    /// Whether it is configured what the image boots from the next start on.
    fn is_next_configured(&self, configured: &Path) -> bool {
        let mut trees = self.trees.iter();
        self.configured != configured && !trees.any(|tree| tree.root == configured)
    }

    /// As a server has it that boots this one.
    fn of_server(&self, served: Served<'_>) -> Self {
        let obeyed = self.at_restart.as_ref();
        let is_now = |it: &&AtRestart| it.trees.first().is_some_and(|it| it.root == served.now);
        let is_next = self.is_next_configured(served.configured);
        let obeyed = obeyed.filter(|it| is_next || is_now(it));
        let trees = obeyed.map_or(&self.trees, |obeyed| &obeyed.trees);
        Self {
            trees: in_order(trees, &self.configured, served.configured),
            configured: served.configured.to_owned(),
            at_restart: None,
        }
    }

    fn of_next_start(&self) -> Self {
        let next = self.at_restart.as_ref();
        Self {
            trees: next.map_or(&self.trees, |next| &next.trees).clone(),
            configured: self.configured.clone(),
            at_restart: None,
        }
    }

    /// What its trees are then, with those of `before` until then.
    fn at(mut self, when: When, before: Vec<Tree>) -> Self {
        if let When::AtRestart(id) = when {
            let trees = std::mem::replace(&mut self.trees, before);
            self.at_restart = Some(AtRestart { id, trees });
        }
        self
    }

    /// For a server that obeys these changes, with this root in the configuration.
    fn trees(&self, obeyed: &BTreeSet<u64>, configured: &Path) -> Vec<Tree> {
        let next = self.at_restart.as_ref();
        let next =
            next.filter(|next| obeyed.contains(&next.id) || self.is_next_configured(configured));
        let trees = next.map_or(&self.trees, |next| &next.trees);
        in_order(trees, &self.configured, configured)
    }
}

/// With the root that was configured when it was swapped, machines boot the first; with another of them, that one.
fn in_order(trees: &[Tree], swapped_from: &Path, configured: &Path) -> Vec<Tree> {
    let mut trees = trees.to_vec();
    let named = trees.iter().position(|tree| tree.root == configured);
    if let Some(named) = named.filter(|_| swapped_from != configured) {
        let tree = trees.remove(named);
        trees.insert(0, tree);
    }
    trees
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::InitrdSource;

    fn catalog(name: Option<&str>, directory: &str) -> CatalogSettings {
        CatalogSettings::of_one(ImageSettings {
            name: name.map(str::to_owned),
            title: None,
            source: ImageSource::Root(RootSettings {
                directory: directory.into(),
                nfsroot: None,
                kernel: None,
                initrd: InitrdSource::File("/initrd.img".into()),
                overlay: true,
                hidden: netroot_nfs_export::HiddenPaths::default(),
                submounts: true,
                generations: crate::settings::Generations::Current,
                swapped: None,
            }),
            append: None,
            origin: match name {
                Some(_) => Origin::File {
                    path: "/etc/netroot/netroot.toml".into(),
                    line: 1,
                },
                None => Origin::CommandLine,
            },
        })
    }

    fn roots(catalog: &CatalogSettings) -> (&Path, Option<&SwappedRoot>) {
        let root = catalog.images[0].source.root().unwrap();
        (&root.directory, root.swapped.as_ref())
    }

    const FILE: &str = "/var/lib/netroot-swaps/swaps.json";

    /// What machines boot with this root in the configuration, the numbers of the earlier roots, and what is told.
    fn booted(swaps: &Swaps, configured: &str) -> (String, Vec<u32>, Vec<String>) {
        booted_by(swaps, configured, &BTreeSet::new())
    }

    fn booted_by(
        swaps: &Swaps,
        configured: &str,
        obeyed: &BTreeSet<u64>,
    ) -> (String, Vec<u32>, Vec<String>) {
        let mut now = catalog(Some("debian"), configured);
        let told = apply(&mut now, swaps, Path::new(FILE), obeyed);
        let again = now.clone();
        apply(&mut now, swaps, Path::new(FILE), obeyed);
        assert_eq!(now, again);
        let (root, swapped) = roots(&now);
        let before = swapped.map(|swapped| swapped.before.clone());
        let before = before.unwrap_or_default().into_iter();
        let numbers = before.map(|(number, _)| number).collect();
        (root.display().to_string(), numbers, told)
    }

    fn served<'a>(configured: &'a str, now: &'a str) -> Served<'a> {
        Served {
            configured: Path::new(configured),
            now: Path::new(now),
        }
    }

    fn swap(swaps: &mut Swaps, of: Served<'_>, to: &str) -> Result<(), SwapError> {
        swaps.swap("debian", of, Path::new(to), (When::Now, &|_| false))
    }

    fn boots(root: &str, before: &[u32]) -> (String, Vec<u32>, Vec<String>) {
        (root.to_owned(), before.to_vec(), Vec::new())
    }

    #[test]
    fn a_root_is_swapped_and_back_again_and_each_tree_keeps_its_number() {
        let mut swaps = Swaps::default();
        let first = served("/srv/a", "/srv/a");
        let never = swaps.roll_back("debian", Some(first), When::Now);
        let never = never.unwrap_err().to_string();
        assert!(never.contains("never swapped"), "{never}");
        swap(&mut swaps, first, "/srv/b").unwrap();
        let second = served("/srv/a", "/srv/b");
        let same = swap(&mut swaps, second, "/srv/b").unwrap_err();
        assert_eq!(same.to_string(), "/srv/b is the root of debian already");
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/b", &[1]));

        let back = swaps.roll_back("debian", Some(second), When::Now).unwrap();
        assert_eq!(back, Path::new("/srv/a"));
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[2]));
        swap(&mut swaps, first, "/srv/c").unwrap();
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/c", &[1, 2]));
        assert!(swaps.forget("debian") && !swaps.forget("debian"));
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[]));
    }

    #[test]
    fn a_directory_that_was_swapped_to_may_be_configured_and_machines_keep_their_roots() {
        let mut swaps = Swaps::default();
        swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
        swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
        assert_eq!(booted(&swaps, "/srv/c"), boots("/srv/c", &[2, 1]));
        assert_eq!(booted(&swaps, "/srv/b"), boots("/srv/b", &[3, 1]));
        // From there it goes on.
        let of = served("/srv/c", "/srv/c");
        let back = swaps.roll_back("debian", Some(of), When::Now).unwrap();
        assert_eq!(back, Path::new("/srv/b"));
        assert_eq!(booted(&swaps, "/srv/c"), boots("/srv/b", &[3, 1]));
    }

    #[test]
    fn what_is_configured_since_counts_and_the_entry_is_told_and_dropped() {
        let mut swaps = Swaps::default();
        swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
        let (root, before, told) = booted(&swaps, "/srv/other");
        assert_eq!((&*root, before.len()), ("/srv/other", 0));
        assert_eq!(
            told,
            [
                "/var/lib/netroot-swaps/swaps.json: debian was swapped from /srv/a to /srv/b, but /srv/other is configured since, \
              and is booted; `netroot image forget debian` drops the entry"
            ]
        );
        let of = served("/srv/other", "/srv/other");
        let never = swaps.roll_back("debian", Some(of), When::Now);
        assert!(matches!(never, Err(SwapError::Never { .. })), "{never:?}");
        // It does not come back when the old root is configured again.
        let mut dropped = swaps.clone();
        dropped.drop_idle("debian", Path::new("/srv/other"));
        dropped.drop_idle("another", Path::new("/srv/other"));
        assert_eq!(booted(&dropped, "/srv/a"), boots("/srv/a", &[]));
        swap(&mut swaps, of, "/srv/b").unwrap();
        assert_eq!(booted(&swaps, "/srv/other"), boots("/srv/b", &[1]));
        let told = booted(&swaps, "/srv/a").2;
        assert!(told[0].contains("from /srv/other to /srv/b"), "{told:?}");
    }

    #[test]
    fn an_image_of_the_command_line_keeps_its_name_and_others_are_not_told() {
        let mut swaps = Swaps::default();
        let of = served("/srv/a", "/srv/a");
        let to = Path::new("/srv/b");
        let never = |_: &Path| false;
        swaps.swap("a", of, to, (When::Now, &never)).unwrap();
        let obeyed = BTreeSet::new();
        let mut now = catalog(None, "/srv/a");
        assert_eq!(apply(&mut now, &swaps, Path::new(FILE), &obeyed), [""; 0]);
        assert_eq!(now.images[0].name.as_deref(), Some("a"));
        assert_eq!(roots(&now).0, to);
        for (name, directory) in [(None, "/srv/other"), (Some("other"), "/srv/a")] {
            let mut other = catalog(None, directory);
            other.images[0].name = name.map(str::to_owned);
            assert_eq!(apply(&mut other, &swaps, Path::new(FILE), &obeyed), [""; 0]);
            assert_eq!(roots(&other), (Path::new(directory), None));
        }
    }

    #[test]
    fn what_is_written_for_the_next_start_is_obeyed_by_servers_that_start_then() {
        let mut swaps = Swaps::default();
        let of = served("/srv/a", "/srv/a");
        let later = (
            When::AtRestart(7),
            &(|_: &Path| false) as &dyn Fn(&Path) -> bool,
        );
        swaps
            .swap("debian", of, Path::new("/srv/b"), later)
            .unwrap();
        assert_eq!(swaps.at_restart(), BTreeSet::from([7]));
        let started = swaps.at_restart();
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/a", &[]));
        assert_eq!(booted_by(&swaps, "/srv/a", &started), boots("/srv/b", &[1]));
        // Without a server it is taken back, for the next start again.
        let mut back = swaps.clone();
        let to = back.roll_back("debian", None, When::AtRestart(8)).unwrap();
        assert_eq!(to, Path::new("/srv/a"));
        let started = back.at_restart();
        assert_eq!(booted_by(&back, "/srv/a", &started), boots("/srv/a", &[2]));
        // What comes next is based on what the server has that is asked.
        let mut obeyed = swaps.clone();
        swap(&mut obeyed, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
        assert_eq!(booted(&obeyed, "/srv/a"), boots("/srv/c", &[2, 1]));
        swap(&mut swaps, of, "/srv/c").unwrap();
        assert_eq!(booted(&swaps, "/srv/a"), boots("/srv/c", &[1]));
    }

    #[test]
    fn a_tree_that_cannot_be_served_is_kept_behind_the_latest_that_can_be() {
        let mut swaps = Swaps::default();
        swap(&mut swaps, served("/srv/a", "/srv/a"), "/srv/b").unwrap();
        swap(&mut swaps, served("/srv/a", "/srv/b"), "/srv/c").unwrap();
        let mut now = catalog(Some("debian"), "/srv/a");
        apply(&mut now, &swaps, Path::new(FILE), &BTreeSet::new());
        let mut root = now.images[0].source.root().unwrap().clone();
        let mut tried = BTreeSet::new();
        for (directory, before) in [("/srv/b", [3, 1]), ("/srv/a", [2, 3])] {
            tried.insert(root.swapped.as_ref().unwrap().tree);
            root = without_swap(&root, &tried).unwrap();
            let swapped = root.swapped.as_ref().unwrap();
            let numbers: Vec<u32> = swapped.before.iter().map(|(number, _)| *number).collect();
            assert_eq!(
                (root.directory.as_path(), &*numbers),
                (Path::new(directory), &before[..])
            );
            assert_eq!(swapped.configured, Path::new("/srv/a"));
        }
        tried.insert(1);
        assert_eq!(without_swap(&root, &tried), None);
    }

    #[test]
    fn earlier_roots_are_forgotten_only_once_they_are_closed() {
        let mut swaps = Swaps::default();
        let mut now = "/srv/a".to_owned();
        for number in 0..MOST_BEFORE {
            let next = format!("/srv/{number}");
            swap(&mut swaps, served("/srv/a", &now), &next).unwrap();
            now = next;
        }
        let of = served("/srv/a", &now);
        let refused = swap(&mut swaps, of, "/srv/next").unwrap_err().to_string();
        assert!(refused.contains("run from /srv/a first"), "{refused}");
        let closed = |root: &Path| root == Path::new("/srv/3");
        let next = Path::new("/srv/next");
        swaps
            .swap("debian", of, next, (When::Now, &closed))
            .unwrap();
        let before = booted(&swaps, "/srv/a").1;
        assert_eq!(before.len(), MOST_BEFORE);
        // /srv/3 had the number 5; the configured one stays.
        assert!(before.contains(&1) && !before.contains(&5), "{before:?}");
    }
}
