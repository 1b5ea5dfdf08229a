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
use crate::config::{self, Mistakes};
use crate::settings::Settings;

/// What the files say, on top of what was given at the `start`.
///
/// # Errors
/// Each mistake with its file and line.
pub(crate) fn settings(snapshot: &Snapshot, start: &Settings) -> Result<Settings, Mistakes> {
    let Some(place) = &start.config else {
        return Ok(start.clone());
    };
    let read = config::parse(place, &snapshot.files)?;
    Ok(Settings {
        // Given on the command line, where it was.
        json: start.json,
        control: start.control.clone(),
        ..read
    })
}
