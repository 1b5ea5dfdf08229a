//! The orders on the disk: `orders.json` in the state folder, with mode 0600.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use netroot_net::Mac;

use super::order::Order;
use crate::serve::machines::file_of_machines::{self, write};

/// The file.
#[derive(Debug)]
pub(super) struct OrdersFile {
    path: PathBuf,
    /// Held while it is written: whether it failed the last time.
    writing: Mutex<bool>,
}

/// The file could not be read, or not be written.
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

impl OrdersFile {
    pub(super) fn open(state: &Path) -> (Self, All, Option<FileError>) {
        let path = state.join("orders.json");
        let (all, error) = file_of_machines::open(&path);
        let error = error.map(|(file, error)| FileError {
            file,
            error,
            is_first: true,
        });
        let file = Self {
            path,
            writing: Mutex::new(false),
        };
        (file, all, error)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn hang(&self) -> std::sync::MutexGuard<'_, bool> {
        self.writing.lock().unwrap()
    }

    /// Writes what `all` returns. It is called once nobody else writes, so that the last one has the newest.
    pub(super) fn write(&self, all: impl FnOnce() -> All) -> Result<(), FileError> {
        let mut failing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = write(&self.path, &all());
        let is_first = !std::mem::replace(&mut *failing, written.is_err());
        written.map_err(|error| FileError {
            file: self.path.clone(),
            error,
            is_first,
        })
    }
}
