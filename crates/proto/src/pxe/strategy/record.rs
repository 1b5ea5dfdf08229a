//! What is kept of a machine: how far its boots came, and which way is tried next.

use std::time::Duration;

use super::choice::{LoaderChoice, Progress, Strategy, Style};
use super::secure_boot::Known;

/// After this many failed boots another way is tried. A single failure may be a
/// person pressing Escape, or a machine being switched off.
const MAX_FAILURES: u32 = 2;
/// The shortest time from the start of a boot that fails to the next one. Attempts that are closer
/// together count as one, unless the first has come to its report.
pub(super) const SHORTEST_ATTEMPT: Duration = Duration::from_secs(20);
/// A machine that has not loaded anything, and has not asked for this long, is forgotten first.
const STALE_AFTER: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) strategy: Strategy,
    pub(super) transaction: u32,
    /// When the present attempt began.
    pub(super) began: Duration,
    /// How far it has come.
    pub(super) progress: Progress,
    /// The announcement has led to the boot loader.
    pub(super) announced: bool,
    /// Attempts that ended before the loader, until one did not.
    pub(super) without_loader: u32,
    /// Attempts that ended in the loader, until one did not.
    pub(super) without_script: u32,
    /// There is a signed loader for what it asked for last.
    pub(super) can_sign: bool,
    /// The configuration says which loader that is: what comes of it says nothing of the machine.
    pub(super) is_told: bool,
    /// What was known at first.
    pub(super) known: Known,
    /// The loader that it loaded last.
    pub(super) loaded: Option<LoaderChoice>,
    /// The same, if it loaded it in the present attempt and has not reported since. Only that shows what it starts: a boot may
    /// also begin with iPXE from a disk.
    pub(super) loaded_now: Option<LoaderChoice>,
    /// The first loader has led to a script: the machine does not refuse it.
    pub(super) first_works: bool,
    /// It is given another loader because boots with the first one failed, and has not reported since that Secure Boot is
    /// why.
    pub(super) first_failed: bool,
    /// It has reported since its firmware asked.
    pub(super) has_reported: bool,
    /// When the machine asked first, and last.
    pub(super) first: Duration,
    pub(super) seen: Duration,
}

impl Record {
    /// Counts the present attempt as failed, unless it came to the end.
    pub(super) fn fail(&mut self) {
        match self.progress {
            // Anybody may have said that there was an attempt.
            Progress::Answered if self.announced => {}
            Progress::Answered => {
                self.without_loader += 1;
                if self.without_loader >= MAX_FAILURES {
                    self.without_loader = 0;
                    self.strategy.style = match self.strategy.style {
                        Style::Usual => Style::Other,
                        Style::Other => Style::Usual,
                    };
                }
            }
            // Firmware that tries HTTP after PXE, where the signed one cannot go on: that is no failure of the signed one.
            Progress::Loaded
                if self.strategy.loader == LoaderChoice::Signed
                    && self.loaded != Some(LoaderChoice::Signed) => {}
            // Nor does what the configuration says give way to another one.
            Progress::Loaded if self.is_told => {}
            Progress::Loaded => {
                self.without_script += 1;
                let enough = self.without_script >= MAX_FAILURES;
                let next = match self.strategy.loader {
                    LoaderChoice::First if self.can_sign && (enough || !self.first_works) => {
                        LoaderChoice::Signed
                    }
                    LoaderChoice::First | LoaderChoice::Signed if enough => LoaderChoice::Second,
                    LoaderChoice::Second if enough => LoaderChoice::First,
                    same => same,
                };
                if next != self.strategy.loader {
                    self.without_script = 0;
                    self.first_failed = next != LoaderChoice::First;
                    self.strategy.loader = next;
                }
            }
            Progress::Booted => {}
        }
    }

    /// The record that is forgotten for a new one has the least value.
    pub(super) fn value(&self, now: Duration) -> (u8, Duration) {
        let stale = now.saturating_sub(self.seen) >= STALE_AFTER;
        match (self.announced, stale) {
            (false, true) => (0, self.seen),
            // The last one to appear: those of a flood displace each other.
            (false, false) => (1, Duration::MAX.saturating_sub(self.first)),
            (true, _) => (2, self.seen),
        }
    }
}
