//! The readahead of the NFS mount.

use std::fs;

use crate::console::debug;

/// In KiB. Since Linux 5.4 a mount reads 128 KiB ahead whatever its `rsize` is, so that at best one request of the usual
/// 1 MiB is in flight at a time. Twice that size keeps one request in flight while another is consumed; programs that
/// start read in small jumps and gain nothing from more.
const KIB: &str = "2048";

/// Sets it for the NFS mount at `target`. A failure only costs speed.
pub(crate) fn set(target: &str) {
    let Ok(status) = rustix::fs::stat(target) else {
        return;
    };
    let device = status.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    match fs::write(&file, KIB) {
        Ok(()) => debug!("{file}: {KIB}"),
        Err(e) => debug!("{file}: {e}"),
    }
}
