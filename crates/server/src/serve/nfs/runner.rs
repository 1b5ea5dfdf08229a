//! Whether a machine still runs from a root that it has used.

use std::time::Duration;

/// How long a machine makes no call that has booted since: no longer those of the root that it ran from, which it made while
/// it was shut down.
const GONE: Duration = Duration::from_secs(2 * 60);
/// The same of one that was not seen to boot. It may sleep over a weekend.
pub(crate) const SILENT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A machine that ran from a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner {
    /// How long it has made no call.
    pub(crate) idle: Duration,
    /// How long ago its last boot began in which it was given a script, if one is known.
    pub(crate) booted: Option<Duration>,
}

impl Runner {
    /// It runs from something else by now, or not at all.
    pub(crate) fn is_gone(self) -> bool {
        let has_booted = self.booted.is_some_and(|ago| ago < self.idle);
        self.idle >= SILENT || (has_booted && self.idle >= GONE)
    }
}
