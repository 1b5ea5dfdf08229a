//! How much of a window is sent at once.

use std::time::Duration;

/// Pause between two bursts of a window after the burst was halved.
pub(super) const PAUSE: Duration = Duration::from_millis(2);
/// After this many consecutive windows without loss the burst is doubled again.
const CLEAN_WINDOWS: u32 = 4;

/// The part of a window that is sent at once.
#[derive(Debug)]
pub(super) struct Bursts {
    window: u64,
    length: u64,
    clean_windows: u32,
}

impl Bursts {
    /// The whole of a window of so many blocks.
    pub(super) fn new(window: u64) -> Self {
        Self {
            window,
            length: window,
            clean_windows: 0,
        }
    }

    /// How many blocks are sent at once.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Something of a window was lost.
    pub(super) fn slow_down(&mut self) {
        self.length = (self.length / 2).max(1);
        self.clean_windows = 0;
    }

    /// A window has arrived at once.
    pub(super) fn speed_up(&mut self) {
        self.clean_windows += 1;
        if self.clean_windows >= CLEAN_WINDOWS {
            self.length = (self.length * 2).min(self.window);
            self.clean_windows = 0;
        }
    }
}
