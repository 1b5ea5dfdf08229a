//! What is known of a root's signed files, for sentences about the machines that were to boot them.

use std::sync::Arc;

use netroot_secure_boot::Chain;

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
    /// Whether GRUB loads files by HTTP.
    pub(crate) over_http: bool,
    /// Whether GRUB looks for its files on the server that a proxy's offer names.
    pub(crate) by_proxy: bool,
    /// What installs the newest of them: a clause that begins with a verb.
    pub(crate) cure: String,
}
