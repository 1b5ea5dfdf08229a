//! The orders on the disk: `orders.json` in the state folder, with mode 0600.
//!
//! It is exchanged as a whole: written beside itself, made durable, and renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use netroot_net::Mac;
use rustix::fs::OFlags;

use super::order::Order;

/// The longest file that is read, in bytes; that of every machine is shorter.
const LONGEST: u64 = 16 << 20;

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
        let read = read(&path);
        let (all, error) = match read {
            Ok(all) => (all, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (All::new(), None),
            Err(error) => {
                // Without that, the next order would overwrite it.
                let aside = path.with_extension("json.unreadable");
                let file = fs::rename(&path, &aside).map_or(path.clone(), |()| aside);
                let error = FileError {
                    file,
                    error,
                    is_first: true,
                };
                (All::new(), Some(error))
            }
        };
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

fn read(path: &Path) -> io::Result<All> {
    let mut options = OpenOptions::new();
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = options
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(io::Error::other("not a file of orders"));
    }
    let by_text: BTreeMap<String, Order> = serde_json::from_reader(io::BufReader::new(file))?;
    let machine = |(mac, order): (String, Order)| {
        let mac = mac.parse::<Mac>().map_err(io::Error::other)?;
        Ok((mac, order))
    };
    by_text.into_iter().map(machine).collect()
}

fn write(path: &Path, all: &All) -> io::Result<()> {
    let by_text = all.iter().map(|(mac, it)| (mac.to_string(), it));
    let by_text: BTreeMap<String, &Order> = by_text.collect();
    let mut text = serde_json::to_vec_pretty(&by_text)?;
    text.push(b'\n');
    let new = path.with_extension("json.new");
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.custom_flags(flags).open(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
