//! Where the root and the layers of an overlay are mounted.

use std::io;

use crate::console::debug;
use crate::directory;

/// Where the root is mounted, to become `/`.
pub(crate) const ROOT: &str = "/newroot";
/// Where the root is mounted that an overlay is laid over. Below `/run`, which moves along: the real root sees it.
pub(crate) const LOWER: &str = "/run/netroot/lower";
/// The tmpfs with the writable layer of an overlay.
pub(crate) const MEMORY: &str = "/run/netroot/overlay";

/// A directory to mount on could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the directory {path} cannot be made: {source}")]
pub(crate) struct DirectoryError {
    path: String,
    #[source]
    source: io::Error,
}

/// Makes a directory to mount on, and those above it.
pub(crate) fn make_directory(path: &str) -> Result<(), DirectoryError> {
    directory::make(path).map_err(|source| DirectoryError {
        path: path.to_owned(),
        source,
    })
}

/// Unmounts what an earlier attempt left mounted.
pub(crate) fn unmount_all() {
    for path in [ROOT, MEMORY, LOWER] {
        while rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH).is_ok() {
            debug!("unmounted {path}");
        }
    }
}
