//! What is known of the roots that images were swapped to, between two looks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::fall_back::RootChanges;
use super::settling::Quiet;
use crate::serve::root_facts::{Facts, Place};

/// What is known of the roots that were swapped.
#[derive(Debug, Default)]
pub(super) struct SwapWatch {
    pub(super) quiet: Quiet<RootChanges>,
    /// What was acted on last.
    pub(super) acted_on: RootChanges,
    /// The roots that could not be served.
    pub(super) unserved: BTreeMap<PathBuf, Looked>,
    /// What these held when they were served last.
    pub(super) served: BTreeMap<PathBuf, Facts>,
}

/// What was found at a root's path.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) place: Option<Place>,
    pub(super) at: Instant,
    /// What machines could boot.
    pub(super) facts: Option<Facts>,
}

impl SwapWatch {
    pub(super) fn forget_failures(&mut self) {
        self.quiet.forget_failures();
        self.unserved.clear();
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.quiet.is_unsettled()
    }
}
