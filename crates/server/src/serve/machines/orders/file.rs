//! The orders on the disk: `orders.json` in the state folder, with mode 0600.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use netroot_net::Mac;

use super::order::Order;
use crate::serve::machines::file_of_machines::{self, FileOfMachines, Unread};

/// The file.
#[derive(Debug)]
pub(super) struct OrdersFile {
    file: FileOfMachines,
    /// Held while it is written: whether it failed the last time.
    writing: Mutex<bool>,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", file.display())]
pub(crate) struct FileError {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// The system's error.
    pub(crate) error: io::Error,
    /// Whether it worked until now.
    pub(crate) is_first: bool,
}

type All = BTreeMap<Mac, Order>;

/// Its name in the state folder.
const NAME: &str = "orders.json";

/// Reads it.
///
/// # Errors
/// The system's; it makes no sense.
pub(super) fn read(state: &Path) -> io::Result<All> {
    file_of_machines::read(&state.join(NAME))
}

impl OrdersFile {
    pub(super) fn open(state: &Path) -> (Self, All, Option<Unread>) {
        let (file, all, unread) = FileOfMachines::open(state.join(NAME));
        let writing = Mutex::new(false);
        (Self { file, writing }, all, unread)
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    pub(super) fn is_unread(&self) -> bool {
        self.file.is_unread()
    }

    #[cfg(test)]
    pub(super) fn hang(&self) -> std::sync::MutexGuard<'_, bool> {
        self.writing.lock().unwrap()
    }

    /// Writes what `all` makes of what the file had ([`FileOfMachines::write`]).
    pub(super) fn write(&self, all: impl FnOnce(All) -> All) -> Result<(), FileError> {
        let mut failing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.file.write(all);
        let is_first = !std::mem::replace(&mut *failing, written.is_err());
        written.map_err(|error| FileError {
            file: self.path().to_owned(),
            error,
            is_first,
        })
    }
}
