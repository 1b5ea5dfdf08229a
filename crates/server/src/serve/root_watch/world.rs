//! What following the roots acts on.

use std::sync::Arc;

use crate::serve::artifacts::ArtifactStore;
use crate::serve::events::Timeline;
use crate::serve::history::History;
use crate::serve::privileged_helper::{Client, FileRequest, RootRequest};
use crate::serve::unified::UnifiedImages;

/// What is needed to follow the roots.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// What machines fetch.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// The export, if it is ours.
    pub(crate) nfs: Option<Arc<netroot_nfs_export::Server>>,
    /// Where changes are logged.
    pub(crate) timeline: Timeline,
    /// Who has booted when.
    pub(crate) history: Arc<History>,
    /// Opens directories.
    pub(crate) root_helper: Arc<Client<RootRequest>>,
    /// Builds initrds, and opens files.
    pub(crate) file_helper: Arc<Client<FileRequest>>,
    /// Makes unified kernel images.
    pub(crate) unified: UnifiedImages,
}
