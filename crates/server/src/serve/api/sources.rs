//! What the API is made from.

use std::path::PathBuf;
use std::sync::Arc;

use crate::serve::artifacts::ArtifactStore;
use crate::serve::counters::Counters;
use crate::serve::events::Timeline;
use crate::serve::history::History;
use crate::serve::look_requests::Looks;
use crate::serve::nfs::Terms;
use crate::serve::status::Status;

/// What the API is made from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The catalog.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// The machines' orders, and the log.
    pub(crate) timeline: Timeline,
    /// The interfaces.
    pub(crate) status: Status,
    /// The machines.
    pub(crate) history: Arc<History>,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// The export, which has counters of its own.
    pub(crate) nfs: Option<Arc<netroot_nfs_export::Server>>,
    /// What is known of who runs from which root.
    pub(crate) terms: Option<Terms>,
    /// Who is asked to look at everything.
    pub(crate) looks: Looks,
    /// Where the helpers read which roots were exchanged.
    pub(crate) swaps: PathBuf,
}
