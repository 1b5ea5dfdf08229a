//! `netroot image swap`: which directory is the root of an image since somebody swapped it, and which ones were before.
//!
//! That is written by the command, run as root, into a file that only root may write ([`file`]). A server that was taken over
//! cannot name directories: it is told which ones by its helpers, which read the file themselves as they read the
//! configuration.
//!
//! ```text
//! file → Swaps → roots → CatalogSettings            every process that reads the configuration comes to the same
//! Swaps → swap, roll_back, forget → Swaps           the command
//! ```
//!
//! An image's entry counts while the configuration names the directory that was swapped from, or one that was swapped to: that
//! one is booted then. With any other directory in the configuration, that is booted, and the entry is dropped when the
//! image is swapped the next time, or by `netroot image forget`.

pub(crate) mod file;
pub(crate) mod roots;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
    /// The highest number of those that are known no more; 0 if there are none.
    #[serde(skip_serializing_if = "is_zero", default)]
    highest: u32,
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
    /// Tells it from the image's others in the paths that machines mount, also from those that are known no more.
    number: u32,
    root: PathBuf,
}

impl Tree {
    /// That of the root that was configured when the image was swapped the first time.
    const FIRST: u32 = 1;
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
    /// It is no earlier root.
    #[error("{} is none of the earlier roots of {image}; `netroot image {image}` names them", root.display())]
    Unknown {
        /// The image.
        image: String,
        /// What is no root of it.
        root: PathBuf,
    },
    /// Machines boot it, or would.
    #[error("{} is {what} of {image}, so it cannot be forgotten; {cure}", root.display())]
    Needed {
        /// The image.
        image: String,
        /// The root.
        root: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do first.
        cure: String,
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
                Some(closed) => {
                    let closed = swap.trees.remove(closed);
                    swap.highest = swap.highest.max(closed.number);
                }
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

    /// The root of an image is from now on what it was before it was swapped last. Returns which directory that is. Where no
    /// server runs, `served` is `None`, and `configured` the root in the configuration if that is known.
    ///
    /// # Errors
    /// [`SwapError::Never`].
    pub(crate) fn roll_back(
        &mut self,
        image: &str,
        (served, configured): (Option<Served<'_>>, Option<&Path>),
        when: When,
    ) -> Result<PathBuf, SwapError> {
        let never = || SwapError::Never {
            image: image.to_owned(),
        };
        let swap = self.images.get(image).ok_or_else(never)?;
        let mut swap = match served {
            Some(served) if !swap.counts_for(served.configured) => return Err(never()),
            Some(served) => swap.of_server(served),
            None if configured.is_some_and(|root| !swap.counts_for(root)) => return Err(never()),
            None => swap.of_next_start(configured.unwrap_or(&swap.configured)),
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

    /// An earlier root of an image is none any more. `served` and `configured` are as for [`Swaps::roll_back`].
    ///
    /// # Errors
    /// [`SwapError::Unknown`], [`SwapError::Needed`].
    pub(crate) fn forget_root(
        &mut self,
        image: &str,
        (served, configured): (Option<Served<'_>>, Option<&Path>),
        root: &Path,
    ) -> Result<(), SwapError> {
        let of = || (image.to_owned(), root.to_owned());
        let unknown = || {
            let (image, root) = of();
            SwapError::Unknown { image, root }
        };
        let swap = self.images.get_mut(image).ok_or_else(unknown)?;
        let next = swap.at_restart.as_ref().map(|next| &next.trees);
        let mut all = swap.trees.iter().chain(next.into_iter().flatten());
        if !all.any(|tree| tree.root == root) {
            return Err(unknown());
        }
        let configured = served.map(|served| served.configured).or(configured);
        let configured = configured.unwrap_or(&swap.configured).to_owned();
        let in_order = in_order(&swap.trees, &swap.configured, &configured);
        let first = in_order.first().map(|tree| tree.root.as_path());
        let now = served.map(|served| served.now).or(first);
        let at_restart = next.and_then(|next| Some(next.first()?.root.as_path()));
        let needed = if now == Some(root) {
            let cure = format!("`netroot image rollback {image}` goes back to the one before");
            Some(("the root", cure))
        } else if at_restart == Some(root) {
            let cure = format!("`netroot image rollback {image} --at-restart` takes that back");
            Some(("the root from the next restart on", cure))
        } else if configured == root {
            let now = now.unwrap_or(root).display();
            Some((
                "the configured root",
                format!("write root = \"{now}\" into the configuration first"),
            ))
        } else {
            None
        };
        if let Some((what, cure)) = needed {
            let (image, root) = of();
            return Err(SwapError::Needed {
                image,
                root,
                what,
                cure,
            });
        }
        // What is swapped from is one of the roots.
        if swap.configured == root {
            swap.configured = configured;
        }
        let next = swap.at_restart.as_ref().map(|next| &next.trees);
        let all = swap.trees.iter().chain(next.into_iter().flatten());
        let forgotten = all.filter(|tree| tree.root == root);
        let highest = forgotten.map(|tree| tree.number).max();
        swap.highest = swap.highest.max(highest.unwrap_or_default());
        swap.trees.retain(|tree| tree.root != root);
        if let Some(next) = &mut swap.at_restart {
            next.trees.retain(|tree| tree.root != root);
        }
        Ok(())
    }

    /// The roots of an image beside the configured one, or beside the one that it was swapped from first.
    pub(crate) fn others(
        &self,
        image: &str,
        configured: Option<&Path>,
    ) -> impl Iterator<Item = &Path> {
        let swap = self.images.get(image).into_iter();
        let configured = configured.map(Path::to_owned);
        swap.flat_map(move |swap| {
            let configured = configured.clone().unwrap_or(swap.configured.clone());
            let next = swap.at_restart.iter().flat_map(|next| &next.trees);
            let all = swap.trees.iter().chain(next);
            all.map(|tree| tree.root.as_path())
                .filter(move |root| *root != configured)
        })
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
                number: Tree::FIRST,
                root: configured.to_owned(),
            }],
            highest: 0,
            at_restart: None,
        }
    }

    fn next_number(&self) -> u32 {
        let numbers = self.trees.iter().map(|tree| tree.number);
        let highest = numbers.max().unwrap_or_default().max(self.highest);
        highest.saturating_add(1)
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
            highest: self.highest,
            at_restart: None,
        }
    }

    fn of_next_start(&self, configured: &Path) -> Self {
        let next = self.at_restart.as_ref();
        let trees = next.map_or(&self.trees, |next| &next.trees);
        Self {
            trees: in_order(trees, &self.configured, configured),
            configured: configured.to_owned(),
            highest: self.highest,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
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

#[cfg(test)]
mod tests;
