//! What is known of a root's signed files, for sentences about the machines that were to boot them.

use std::sync::Arc;

use netroot_secure_boot::{Chain, Condition, Part};

/// What a root has for machines with Secure Boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignedState {
    /// No shim for the processor of its kernel.
    Nothing {
        /// What to do about that: a clause that begins with a verb.
        cure: String,
    },
    /// Files that no machine boots.
    Unusable {
        /// Which one, why, and what to do.
        error: String,
    },
    /// Files that start one another, as far as they say.
    Usable(Arc<ChainFacts>),
}

/// What is known of files that start one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainFacts {
    /// Who starts what, and where alone.
    pub(crate) checked: Chain,
    /// Whether that loads files by HTTP.
    pub(crate) over_http: bool,
    /// Whether it looks for its files on the server that a proxy's offer names.
    pub(crate) by_proxy: bool,
    /// What shim starts.
    pub(crate) second: SecondStage,
    /// What installs the newest of them: a clause that begins with a verb.
    pub(crate) cure: String,
    /// What installs a kernel that they start: the same.
    pub(crate) kernel_cure: String,
    /// Why no machine starts the root's kernel by them, and what to do.
    pub(crate) no_kernel: Option<String>,
}

impl ChainFacts {
    /// What machines must have enrolled for an image's sake. What is wrong with iPXE's own files is so for all images, and
    /// told without one.
    pub(crate) fn conditions_of_image(&self) -> impl Iterator<Item = &Condition> {
        let conditions = self.checked.conditions.iter();
        conditions.filter(|it| self.second == SecondStage::Grub || it.part() == Part::Kernel)
    }
}

/// What shim starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondStage {
    /// The GRUB of a distribution.
    Grub,
    /// The iPXE that iPXE itself signs.
    Ipxe,
}
