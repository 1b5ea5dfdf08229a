//! Managers that read their configuration in `/etc` alone: it is changed in the writable layer, where one is over the
//! root. The export stays as it is.

use std::os::fd::AsFd;

use crate::console::{debug, warn};
use crate::root::mount_point::ROOT;
use crate::root::{etc, in_root};

use super::{connman, dhcpcd};

/// What makes the configuration that keeps a manager off an interface of this name.
type Change = fn(&str, &str) -> String;

const CHANGES: [(&str, Change); 2] = [
    (connman::CONFIG, connman::config),
    (dhcpcd::CONFIG, dhcpcd::config),
];

/// Keeps the managers that the mounted root has off its NIC.
pub(super) fn keep_off(name: &str) {
    let Ok(root) = in_root::directory(ROOT) else {
        return;
    };
    for (path, change) in CHANGES {
        let Some((text, mode)) = etc::read(root.as_fd(), path) else {
            continue;
        };
        let new = change(&String::from_utf8_lossy(&text), name);
        match etc::replace(root.as_fd(), path, new.as_bytes(), mode) {
            Ok(()) => debug!("{name} is excluded in {path} of the root"),
            Err(e) => warn!("cannot exclude {name} in {path} of the root: {e}"),
        }
    }
}
