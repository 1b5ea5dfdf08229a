//! Where the running server listens for the subcommands that ask it: the paths that both sides know.

use std::path::{Path, PathBuf};

/// The usual place. `/run/netroot` is the init's: on a server that itself runs from a network root it holds a mount that is
/// read-only, and systemd hands everything in a unit's `RuntimeDirectory=` over to the unit's user.
const USUAL: &str = "/run/netroot-server/control";
/// Its name in the state folder, where another server has the usual place, or it cannot be made.
const IN_STATE: &str = "control";

/// Where the socket is, or may be, the likelier place first. `given` is `--control`, `state` is `--state`.
pub(crate) fn places(given: Option<&Path>, state: &Path) -> Vec<PathBuf> {
    match given {
        Some(given) => vec![given.to_owned()],
        None => vec![PathBuf::from(USUAL), state.join(IN_STATE)],
    }
}
