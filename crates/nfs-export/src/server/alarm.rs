//! By which event loops wake their watchdog, which sleeps while they do nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Alarm {
    awake: AtomicBool,
    stopping: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    /// A turn has begun.
    pub(super) fn note(&self) {
        if !self.awake.load(Ordering::SeqCst) {
            let _stopping = self.lock();
            self.awake.store(true, Ordering::SeqCst);
            self.changed.notify_all();
        }
    }

    /// Ends the watchdog.
    pub(super) fn stop(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next look of the watchdog; whether there is to be one.
    pub(super) fn tick(&self, after: Duration) -> bool {
        let ticked = self
            .changed
            .wait_timeout_while(self.lock(), after, |stopping| !*stopping);
        let (stopping, _) = ticked.unwrap_or_else(PoisonError::into_inner);
        !*stopping
    }

    /// Has the watchdog sleep until there is a turn, if `quiet` says that there is none now.
    pub(super) fn sleep(&self, quiet: impl FnOnce() -> bool) {
        let stopping = self.lock();
        self.awake.store(false, Ordering::SeqCst);
        // Either this sees a turn that has begun, or its thread sees that nobody is awake.
        if !quiet() {
            return self.awake.store(true, Ordering::SeqCst);
        }
        let asleep = |stopping: &mut bool| !*stopping && !self.awake.load(Ordering::SeqCst);
        drop(self.changed.wait_while(stopping, asleep));
    }
}
