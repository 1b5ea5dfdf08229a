//! `netroot image swap`: which directory is the root of an image since somebody exchanged it, and which ones were before.
//!
//! That is written by the command, run as root, into a file that only root may write ([`file`]). A server that was taken over
//! cannot name directories: it is told which ones by its helpers, which read the file themselves as they read the
//! configuration.
//!
//! ```text
//! file → Swaps → apply → CatalogSettings      every process that reads the configuration comes to the same
//! Swaps → swap, roll_back → Swaps             the command
//! ```

pub(crate) mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::settings::{CatalogSettings, RootSettings, SwappedRoot};

/// How many earlier trees of an image are kept in the file.
const MOST_BEFORE: usize = 8;

/// The images whose roots were exchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swaps {
    #[serde(default)]
    images: BTreeMap<String, Swap>,
}

/// The trees of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Swap {
    /// The root that was configured then. With another one in the configuration, this does not count any more.
    configured: PathBuf,
    /// The one that machines boot, then those before it, the latest first.
    trees: Vec<Tree>,
}

/// A directory that is or was an image's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    /// Tells it from the image's others in the paths that machines mount, for as long as it is known.
    number: u32,
    /// `None` for the configured one: its path is the configuration's to say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    root: Option<PathBuf>,
}

impl Tree {
    fn is(&self, directory: &Path, configured: &Path) -> bool {
        self.root.as_deref().unwrap_or(configured) == directory
    }
}

/// An image's root cannot be exchanged.
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
    #[error("the root of {image} was never exchanged; `netroot image swap {image} DIR` does that")]
    Never {
        /// The image.
        image: String,
    },
}

impl Swaps {
    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// From now on `root` is the root of an image that has `configured` in the configuration.
    ///
    /// # Errors
    /// [`SwapError::Same`].
    pub(crate) fn swap(
        &mut self,
        image: &str,
        configured: &Path,
        root: &Path,
    ) -> Result<(), SwapError> {
        let swap = self
            .images
            .entry(image.to_owned())
            .or_insert_with(|| Swap::of(configured));
        if swap.configured != configured {
            *swap = Swap::of(configured);
        }
        let known = swap.trees.iter().position(|it| it.is(root, configured));
        if known == Some(0) {
            return Err(SwapError::Same {
                image: image.to_owned(),
                root: root.to_owned(),
            });
        }
        let tree = match known {
            Some(known) => swap.trees.remove(known),
            None => Tree {
                number: swap.next_number(),
                root: Some(root.to_owned()),
            },
        };
        swap.trees.insert(0, tree);
        swap.forget_oldest();
        Ok(())
    }

    /// The root of an image is from now on what it was before it was exchanged last. Returns which directory that is.
    ///
    /// # Errors
    /// [`SwapError::Never`].
    pub(crate) fn roll_back(
        &mut self,
        image: &str,
        configured: &Path,
    ) -> Result<PathBuf, SwapError> {
        let never = || SwapError::Never {
            image: image.to_owned(),
        };
        let swap = self.images.get_mut(image).ok_or_else(never)?;
        if swap.configured != configured || swap.trees.len() < 2 {
            return Err(never());
        }
        swap.trees.swap(0, 1);
        let now = swap.trees.first().and_then(|tree| tree.root.clone());
        Ok(now.unwrap_or_else(|| configured.to_owned()))
    }
}

impl Swap {
    fn of(configured: &Path) -> Self {
        Self {
            configured: configured.to_owned(),
            trees: vec![Tree {
                number: 1,
                root: None,
            }],
        }
    }

    fn next_number(&self) -> u32 {
        let numbers = self.trees.iter().map(|tree| tree.number);
        numbers.max().unwrap_or_default().saturating_add(1)
    }

    /// The configured one stays: it is what a rollback goes to in the end.
    fn forget_oldest(&mut self) {
        while self.trees.len() > MOST_BEFORE + 1 {
            let Some(oldest) = self.trees.iter().rposition(|tree| tree.root.is_some()) else {
                return;
            };
            self.trees.remove(oldest);
        }
    }
}

/// Gives each image the root that it has by the file. Returns what in the file counts for nothing, a sentence each. Pure, so
/// that every process that reads the same comes to the same, and what was applied before makes no difference.
pub(crate) fn apply(catalog: &mut CatalogSettings, swaps: &Swaps, file: &Path) -> Vec<String> {
    let mut idle: Vec<(&String, &Swap)> = swaps.images.iter().collect();
    for image in &mut catalog.images {
        let crate::settings::ImageSource::Root(root) = &mut image.source else {
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
        if swap.configured != root.directory || root.nfsroot.is_some() {
            continue;
        }
        idle.retain(|(other, _)| *other != name);
        if put(root, swap) {
            image.name = Some(name.clone());
        }
    }
    let told = |(name, swap): (&String, &Swap)| {
        format!(
            "{}: the root of {name} was exchanged when {} was configured, which is no longer so: what the configuration \
             says counts",
            file.display(),
            swap.configured.display()
        )
    };
    idle.into_iter().map(told).collect()
}

/// The image's root is the configured one, and its others are kept for machines that run from them: that one cannot be
/// served. `None` if it is the configured one already.
pub(crate) fn without_swap(root: &RootSettings) -> Option<RootSettings> {
    let swapped = root.swapped.as_ref()?;
    let configured = swapped.configured.clone();
    let at = swapped
        .before
        .iter()
        .position(|(_, it)| *it == configured)?;
    let mut before = swapped.before.clone();
    let (tree, _) = before.remove(at);
    before.insert(0, (swapped.tree, root.directory.clone()));
    Some(RootSettings {
        directory: configured.clone(),
        swapped: Some(SwappedRoot {
            configured,
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

fn put(root: &mut RootSettings, swap: &Swap) -> bool {
    let configured = &swap.configured;
    let directory = |tree: &Tree| tree.root.clone().unwrap_or_else(|| configured.clone());
    let Some((now, before)) = swap.trees.split_first() else {
        return false;
    };
    root.directory = directory(now);
    let before = before.iter().map(|tree| (tree.number, directory(tree)));
    root.swapped = Some(SwappedRoot {
        configured: configured.clone(),
        tree: now.number,
        before: before.collect(),
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ImageSettings, ImageSource, InitrdSource, Origin};

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
            origin: Origin::CommandLine,
        })
    }

    fn roots(catalog: &CatalogSettings) -> (&Path, Option<&SwappedRoot>) {
        let root = catalog.images[0].source.root().unwrap();
        (&root.directory, root.swapped.as_ref())
    }

    const FILE: &str = "/var/lib/netroot-swaps/swaps.json";

    #[test]
    fn a_root_is_exchanged_and_back_again_and_each_tree_keeps_its_number() {
        let (configured, next) = (Path::new("/srv/a"), Path::new("/srv/b"));
        let mut swaps = Swaps::default();
        let never = swaps.roll_back("debian", configured).unwrap_err();
        assert!(never.to_string().contains("never exchanged"), "{never}");
        swaps.swap("debian", configured, next).unwrap();
        let same = swaps.swap("debian", configured, next).unwrap_err();
        assert_eq!(same.to_string(), "/srv/b is the root of debian already");

        let mut now = catalog(Some("debian"), "/srv/a");
        assert_eq!(apply(&mut now, &swaps, Path::new(FILE)), [""; 0]);
        let first = (1, configured.to_owned());
        let second = (2, next.to_owned());
        let (root, swapped) = roots(&now);
        assert_eq!(root, next);
        let expected = SwappedRoot {
            configured: configured.to_owned(),
            tree: 2,
            before: vec![first.clone()],
        };
        assert_eq!(swapped, Some(&expected));
        // Once more makes no difference.
        let again = now.clone();
        apply(&mut now, &swaps, Path::new(FILE));
        assert_eq!(now, again);

        assert_eq!(swaps.roll_back("debian", configured).unwrap(), configured);
        apply(&mut now, &swaps, Path::new(FILE));
        let (root, swapped) = roots(&now);
        assert_eq!(root, configured);
        assert_eq!(swapped.unwrap().before, std::slice::from_ref(&second));
        swaps
            .swap("debian", configured, Path::new("/srv/c"))
            .unwrap();
        apply(&mut now, &swaps, Path::new(FILE));
        let swapped = roots(&now).1.unwrap();
        assert_eq!((swapped.tree, &*swapped.before), (3, &[first, second][..]));
        apply(&mut now, &Swaps::default(), Path::new(FILE));
        assert_eq!(now, catalog(Some("debian"), "/srv/a"));
    }

    #[test]
    fn an_image_of_the_command_line_keeps_the_name_of_its_first_directory() {
        let mut swaps = Swaps::default();
        swaps
            .swap("a", Path::new("/srv/a"), Path::new("/srv/b"))
            .unwrap();
        let mut now = catalog(None, "/srv/a");
        apply(&mut now, &swaps, Path::new(FILE));
        assert_eq!(now.images[0].name.as_deref(), Some("a"));
        assert_eq!(roots(&now).0, Path::new("/srv/b"));
    }

    #[test]
    fn what_is_configured_since_counts_and_the_file_is_told_to_be_idle() {
        let mut swaps = Swaps::default();
        swaps
            .swap("debian", Path::new("/srv/a"), Path::new("/srv/b"))
            .unwrap();
        let mut now = catalog(Some("debian"), "/srv/other");
        let told = apply(&mut now, &swaps, Path::new(FILE));
        assert_eq!(roots(&now), (Path::new("/srv/other"), None));
        assert!(told[0].contains("when /srv/a was configured"), "{told:?}");
        // The next exchange begins anew.
        swaps
            .swap("debian", Path::new("/srv/other"), Path::new("/srv/b"))
            .unwrap();
        assert_eq!(apply(&mut now, &swaps, Path::new(FILE)), [""; 0]);
        assert_eq!(roots(&now).1.unwrap().before, [(1, "/srv/other".into())]);
    }

    #[test]
    fn a_tree_that_cannot_be_served_is_kept_behind_the_configured_one() {
        let mut swaps = Swaps::default();
        swaps
            .swap("debian", Path::new("/srv/a"), Path::new("/srv/b"))
            .unwrap();
        let mut now = catalog(Some("debian"), "/srv/a");
        apply(&mut now, &swaps, Path::new(FILE));
        let without = without_swap(now.images[0].source.root().unwrap()).unwrap();
        assert_eq!(without.directory, Path::new("/srv/a"));
        let swapped = without.swapped.as_ref().unwrap();
        assert_eq!(
            (swapped.tree, &*swapped.before),
            (1, &[(2, "/srv/b".into())][..])
        );
        assert_eq!(without_swap(&without), None);
    }

    #[test]
    fn only_the_latest_trees_and_the_configured_one_are_remembered() {
        let mut swaps = Swaps::default();
        for number in 0..20 {
            let next = format!("/srv/{number}");
            swaps
                .swap("debian", Path::new("/srv/a"), Path::new(&next))
                .unwrap();
        }
        let mut now = catalog(Some("debian"), "/srv/a");
        apply(&mut now, &swaps, Path::new(FILE));
        let before = &roots(&now).1.unwrap().before;
        assert_eq!(before.len(), MOST_BEFORE);
        assert!(before.contains(&(1, "/srv/a".into())) && before[0].1 == Path::new("/srv/18"));
    }
}
