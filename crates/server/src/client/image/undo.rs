//! A change of the file of swaps that is taken back unless it is done: also where somebody ends the command meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

use crate::swaps::Swaps;
use crate::swaps::file::Locked;

/// Ctrl-C and the like end no thread by themselves from now on.
pub(super) fn end_on_signals() -> Result<()> {
    ending().thread_block().context("cannot block signals")
}

fn ending() -> SigSet {
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
}

/// A change of the file that is taken back unless it is done.
#[derive(Debug, Clone)]
pub(super) struct Undo {
    locked: Arc<Mutex<Option<Locked>>>,
    name: String,
    directory: PathBuf,
}

impl Undo {
    /// Takes it back where the command is ended, too.
    pub(super) fn until_done(locked: Locked, name: &str, directory: &Path) -> Result<Self> {
        let undo = Self {
            locked: Arc::new(Mutex::new(Some(locked))),
            name: name.to_owned(),
            directory: directory.to_owned(),
        };
        let ended = undo.clone();
        let wait = move || {
            let Ok(signal) = ending().wait() else {
                return;
            };
            // Until the process ends nobody else has it.
            let locked = ended.lock();
            let as_it_was = ended.taken_back(locked.as_ref());
            eprintln!("netroot: ended by {signal}: {as_it_was}");
            std::process::exit(128 + signal as i32);
        };
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(wait).context("cannot start a thread")?;
        Ok(undo)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Locked>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self, swaps: &Swaps) -> std::io::Result<()> {
        self.lock()
            .as_mut()
            .map_or(Ok(()), |locked| locked.write(swaps))
    }

    /// What was written stays.
    pub(super) fn done(&self) {
        if let Some(locked) = self.lock().take() {
            // Only the copy of what it was is left.
            let _ = locked.accept();
        }
    }

    /// Takes it back, and says what the root is.
    pub(super) fn undo(&self) -> String {
        let mut locked = self.lock();
        let as_it_was = self.taken_back(locked.as_ref());
        // The server may be told now, and who waits may go on.
        locked.take();
        as_it_was
    }

    fn taken_back(&self, locked: Option<&Locked>) -> String {
        let Self {
            name, directory, ..
        } = self;
        match locked.map(Locked::restore) {
            None => format!("the root of {name} is {}", directory.display()),
            Some(Ok(())) => format!("the root of {name} is as it was"),
            Some(Err(error)) => format!(
                "what was written cannot be taken back ({error}), and the next start of the server boots {}; `netroot image \
                 rollback {name} --at-restart` takes it back",
                directory.display()
            ),
        }
    }
}
