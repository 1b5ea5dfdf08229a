//! The configuration's files, which other programs change while the server runs.
//!
//! ```text
//! stamps       whether the files have changed
//! snapshot     the text of all files at one moment, and its digest
//! comparison   what that changes of what machines boot
//! paths        where all of them are, with the file of `netroot image swap`
//! ```
//!
//! The confined server cannot read them: they may hold secrets, and a server that was taken over must not name directories.
//! So the helpers read them, each for itself, and the server names images by their numbers in what has a certain digest.

mod comparison;
mod paths;
mod snapshot;
mod stamps;

pub(crate) use self::comparison::Comparison;
pub(crate) use self::paths::FollowedPaths;
pub(crate) use self::snapshot::Snapshot;
pub(crate) use self::stamps::{Stamps, Watched};
use crate::config::{self, Mistakes};
use crate::settings::{CatalogSettings, Settings};
use crate::swaps;

/// The tables that say something else than at the `start`, where a server is what it was then.
pub(crate) fn takes_restart(start: &Settings, now: &Settings) -> Vec<&'static str> {
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let mut tables = Vec::new();
    if text(&start.networks) != text(&now.networks) {
        tables.push("[[network]]");
    }
    let rest = |settings: &Settings| {
        text(&Settings {
            networks: Vec::new(),
            catalog: CatalogSettings::default(),
            ..settings.clone()
        })
    };
    if rest(start) != rest(now) {
        tables.push("[server]");
    }
    tables
}

/// What the files say, on top of what was given at the `start`, without the generations of roots, and what of it cannot take effect, a sentence each.
///
/// # Errors
/// Each mistake with its file and line.
pub(crate) fn read(
    snapshot: &Snapshot,
    start: &Settings,
) -> Result<(Settings, Vec<String>), Mistakes> {
    let file = swaps::file::path(&start.state);
    let obeyed = &start.swaps_at_start;
    let Some(place) = &start.config else {
        let mut same = start.clone();
        let doubts = swaps::roots::apply(&mut same.catalog, &snapshot.swaps, &file, obeyed);
        return Ok((same, doubts));
    };
    let parsed = config::read(place, &snapshot.files).whole()?;
    let mut doubts: Vec<String> = parsed.doubts.iter().map(ToString::to_string).collect();
    let mut read = parsed.settings;
    doubts.extend(swaps::roots::apply(
        &mut read.catalog,
        &snapshot.swaps,
        &file,
        obeyed,
    ));
    let settings = Settings {
        // Given on the command line, where it was.
        json: start.json,
        control: start.control.clone(),
        swaps_at_start: start.swaps_at_start.clone(),
        ..read
    };
    Ok((settings, doubts))
}

/// What the files say, on top of what was given at the `start`.
///
/// # Errors
/// Each mistake with its file and line.
pub(crate) fn settings(snapshot: &Snapshot, start: &Settings) -> Result<Settings, Mistakes> {
    read(snapshot, start).map(|(settings, _)| settings)
}
