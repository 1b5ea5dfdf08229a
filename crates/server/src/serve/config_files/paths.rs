//! Where the files are that a running server follows.

use std::path::PathBuf;

use crate::settings::{ConfigPlace, Settings};
use crate::swaps;

/// The files that a running server follows.
#[derive(Debug, Clone)]
pub(crate) struct FollowedPaths {
    /// The configuration; `None` for the command line alone.
    pub(crate) config: Option<ConfigPlace>,
    /// Which roots were exchanged.
    pub(crate) swaps: PathBuf,
}

impl FollowedPaths {
    /// Those of a server that was started with these settings.
    pub(crate) fn of(start: &Settings) -> Self {
        Self {
            config: start.config.clone(),
            swaps: swaps::file::path(&start.state),
        }
    }
}
