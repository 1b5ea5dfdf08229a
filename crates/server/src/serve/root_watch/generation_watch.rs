//! What is known of the generations of roots between two looks.

use std::collections::BTreeSet;

use super::settling::Quiet;

/// The names of images that are generations.
pub(super) type Names = BTreeSet<String>;

/// What is known of the generations of all roots.
#[derive(Debug, Default)]
pub(super) struct GenerationWatch {
    pub(super) quiet: Quiet<Names>,
    /// What the roots had when that was last acted on.
    pub(super) acted_on: Names,
    /// One that is an image has been deleted.
    pub(super) is_one_gone: bool,
    /// The images of which it has been told that not all generations are images.
    pub(super) limited: Names,
    /// What has been told to be missing: the image, and who names it.
    pub(super) missing: BTreeSet<(String, String)>,
    /// What has been told to be left out, and why.
    pub(super) left_out: BTreeSet<(String, String)>,
}

impl GenerationWatch {
    pub(super) fn forget_failures(&mut self) {
        self.quiet.forget_failures();
        self.left_out.clear();
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.quiet.is_unsettled()
    }

    /// Whether something is an image that cannot be booted any more.
    pub(super) fn is_one_gone(&self) -> bool {
        self.is_one_gone
    }
}
