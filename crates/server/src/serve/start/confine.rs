//! Privileges are given up: what is left is in [`crate::confinement`] and [`privileges::to_serve`].

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use crate::confinement;
use crate::confinement::identity::{self, Identity};
use crate::serve::api::tcp::TcpApi;
use crate::serve::error::ServeError;
use crate::serve::events::{Timeline, Warning};
use crate::serve::nfs::Prepared;
use crate::serve::privileges;
use crate::settings::Settings;

/// Leaves this process nothing but to read the roots, and to write to netroot's own `folders`. What the helper for roots
/// opens later is below `area`, which has no other path in this mount namespace: its descriptor has to be open until then.
pub(super) fn give_up(
    settings: &Settings,
    identity: Option<Identity>,
    folders: Vec<PathBuf>,
    area: Option<BorrowedFd<'_>>,
    export: Option<&Prepared>,
    timeline: &Timeline,
) -> Result<(), ServeError> {
    // What was made since as root, such as the export's key, becomes the serving user's too.
    privileges::prepare_folders(settings, identity, |_| {});
    let mut kept = privileges::to_serve(settings, identity, folders);
    let area = area.map(|area| format!("/proc/self/fd/{}", area.as_raw_fd()).into());
    kept.read.extend(area);
    let tcp = settings.api.tcp.iter();
    kept.read.extend(tcp.flat_map(TcpApi::files));
    // Those that were roots, too, from which machines run.
    let exported = export.iter().flat_map(|it| it.all_options());
    kept.read.extend(exported.map(|(directory, _)| directory));
    kept.read.extend(export.iter().flat_map(|it| it.mounted()));
    for layer in confinement::confine(&kept)? {
        timeline.warn(Warning::NotConfined { layer });
    }
    Ok(())
}

/// Gives up what a server with these settings would have given up when it serves: for tests.
pub(crate) fn confine(settings: &Settings) -> Result<(), ServeError> {
    privileges::check()?;
    let identity = identity::choose()?;
    let folders = privileges::prepare_folders(settings, identity, |_| {});
    confinement::confine(&privileges::to_serve(settings, identity, folders))?;
    Ok(())
}
