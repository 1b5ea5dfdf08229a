//! The configuration's files, which other programs change while the server runs.
//!
//! ```text
//! snapshot   the text of all files at one moment, and its digest
//! ```
//!
//! The confined server cannot read them: they may hold secrets, and a server that was taken over must not name directories.
//! So the helpers read them, each for itself, and the server names images by their numbers in what has a certain digest.

mod snapshot;

pub(crate) use self::snapshot::Snapshot;
use crate::settings::Settings;

/// What the files say, on top of what was given at the `start`.
///
/// # Errors
/// Each mistake with its file and line.
pub(crate) fn settings(_snapshot: &Snapshot, _start: &Settings) -> Result<Settings, String> {
    Err("configuration files are not read so far".to_owned())
}
