//! What is being done, for a person who waits.

use std::io::{self, IsTerminal as _, Write as _};

use netroot_printable::Printable;

/// Says on a terminal what is done now.
pub(super) fn progress(what: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "netroot: {} …", Printable(what));
    }
}
