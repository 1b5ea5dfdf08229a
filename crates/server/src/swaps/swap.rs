//! The roots of one image: which one machines boot, which ones it had before, and what counts from the next start on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How many earlier roots of an image are kept in the file. More only replace those that are closed.
pub(super) const MOST_BEFORE: usize = 32;

/// The roots of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap {
    /// The root that was configured then.
    pub(super) configured: PathBuf,
    /// The one that machines boot, then those before it, the latest first. The configured one is among them.
    pub(super) trees: Vec<Tree>,
    /// The highest number of those that are known no more; 0 if there are none.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(super) highest: u32,
    /// What it is for servers that start from now on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) at_restart: Option<AtRestart>,
}

/// A swap that a server obeys that has found it when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AtRestart {
    /// Tells it from every other one.
    pub(super) id: u64,
    pub(super) trees: Vec<Tree>,
}

/// A directory that is or was an image's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tree {
    /// Tells it from the image's others in the paths that machines mount, also from those that are known no more.
    pub(super) number: u32,
    pub(super) root: PathBuf,
}

impl Tree {
    /// That of the root that was configured when the image was swapped the first time.
    pub(super) const FIRST: u32 = 1;
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

impl Swap {
    pub(super) fn of(configured: &Path) -> Self {
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

    pub(super) fn next_number(&self) -> u32 {
        let numbers = self.trees.iter().map(|tree| tree.number);
        let highest = numbers.max().unwrap_or_default().max(self.highest);
        highest.saturating_add(1)
    }

    pub(super) fn counts_for(&self, configured: &Path) -> bool {
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
    pub(super) fn of_server(&self, served: Served<'_>) -> Self {
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

    pub(super) fn of_next_start(&self, configured: &Path) -> Self {
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
    pub(super) fn at(mut self, when: When, before: Vec<Tree>) -> Self {
        if let When::AtRestart(id) = when {
            let trees = std::mem::replace(&mut self.trees, before);
            self.at_restart = Some(AtRestart { id, trees });
        }
        self
    }

    /// For a server that obeys these changes, with this root in the configuration.
    pub(super) fn trees(&self, obeyed: &BTreeSet<u64>, configured: &Path) -> Vec<Tree> {
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
pub(super) fn in_order(trees: &[Tree], swapped_from: &Path, configured: &Path) -> Vec<Tree> {
    let mut trees = trees.to_vec();
    let named = trees.iter().position(|tree| tree.root == configured);
    if let Some(named) = named.filter(|_| swapped_from != configured) {
        let tree = trees.remove(named);
        trees.insert(0, tree);
    }
    trees
}
