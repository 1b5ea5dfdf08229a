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

mod error;
pub(crate) mod file;
pub(crate) mod roots;
mod swap;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use error::SwapError;
use swap::{MOST_BEFORE, Swap, Tree, in_order};
pub(crate) use swap::{Served, When};

/// The images whose roots were swapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swaps {
    #[serde(default)]
    images: BTreeMap<String, Swap>,
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

#[cfg(test)]
mod tests;
