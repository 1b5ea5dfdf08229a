//! Where the root and the layers of an overlay are mounted.

use crate::console::debug;

/// Where the root is mounted, to become `/`.
pub(crate) const ROOT: &str = "/newroot";
/// Where the root is mounted that an overlay is laid over. Below `/run`, which moves along: the real root sees it.
pub(crate) const LOWER: &str = "/run/netroot/lower";
/// The tmpfs with the writable layer of an overlay.
pub(crate) const MEMORY: &str = "/run/netroot/overlay";

/// Unmounts what an earlier attempt left mounted.
pub(crate) fn unmount_all() {
    for path in [ROOT, MEMORY, LOWER] {
        while rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH).is_ok() {
            debug!("unmounted {path}");
        }
    }
}
