//! The database's place in the state folder: opening and locking it, making it, and setting aside what cannot be read.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netroot_proto::dhcp::pool::Binding;
use redb::backends::FileBackend;
use rustix::fs::OFlags;
use serde::Deserialize;

use super::lease::{Lease, Stored};
use super::store::{Change, Store, StoreError};
use crate::serve::clock::Moment;
use crate::serve::listen::port_owner::{self, Owner};

/// More than a /16's leases take as JSON lines, in bytes; a longer file is not a lease file.
const LONGEST_JSON: u64 = 16 << 20;

/// The leases of one interface on the disk, open.
#[derive(Debug)]
pub(crate) struct LeaseFile {
    path: PathBuf,
    /// `None` where it could not be opened or made.
    store: Option<Store>,
}

/// A file as it was found.
#[derive(Debug)]
pub(crate) struct Opened {
    /// For [`super::Writer`].
    pub(crate) file: LeaseFile,
    /// Leases that could not be read, with the file that they are in now.
    pub(crate) unreadable: Option<(PathBuf, String)>,
    /// Why no lease can be written.
    pub(crate) unwritable: Option<String>,
    /// What the file has.
    pub(super) leases: Vec<(Ipv4Addr, Lease)>,
    /// Whether the times in it are another clock's.
    pub(super) outdated: bool,
}

/// Why the server must not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another one writes them.
    #[error(
        "cannot use the leases in {}: {} uses them; stop it, or give this server a folder of its own with --state DIR",
        file.display(),
        owner.as_ref().map_or_else(|| "another process".to_owned(), Owner::to_string)
    )]
    InUse {
        /// The database.
        file: PathBuf,
        /// Who has it, if `/proc` shows it.
        owner: Option<Owner>,
    },
    /// This version would lose what a newer one wrote.
    #[error(
        "cannot use the leases in {}: {why}; start that version, or move the file away to begin without leases",
        file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its schema, and ours.
        why: String,
    },
}

/// What opening an existing file can come to, beside success.
enum Refused {
    Locked,
    Unreadable(StoreError),
}

impl<E: Into<StoreError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Unreadable(error.into())
    }
}

impl LeaseFile {
    /// Opens the leases of `interface` in the folder `state`, or makes the file. Only what must keep the server from
    /// starting is an error: what cannot be read or written is said in the result, and the server goes on without.
    ///
    /// `lease_time` is for leases that an earlier version wrote.
    pub(crate) fn open(
        state: &Path,
        interface: &str,
        lease_time: Duration,
        at: Moment,
    ) -> Result<Opened, OpenError> {
        let path = state.join(format!("leases-{interface}.redb"));
        let before = state.join(format!("leases-{interface}"));
        let mut opened = Opened {
            file: Self {
                path: path.clone(),
                store: None,
            },
            unreadable: None,
            unwritable: None,
            leases: Vec::new(),
            outdated: false,
        };
        match existing(&path) {
            Ok(Some((store, leases))) => {
                opened.read(&leases, at);
                opened.file.store = Some(store);
                return Ok(opened);
            }
            Ok(None) => match read_json(&before, lease_time, at) {
                Ok(leases) => opened.read(&leases, at),
                Err(error) => opened.unreadable = Some((before.clone(), error.to_string())),
            },
            Err(Refused::Locked) => {
                let owner = port_owner::of_file(&path);
                return Err(OpenError::InUse { file: path, owner });
            }
            Err(Refused::Unreadable(newer @ StoreError::Newer(_))) => {
                let why = newer.to_string();
                return Err(OpenError::Newer { file: path, why });
            }
            Err(Refused::Unreadable(error)) => {
                let aside = with_suffix(&path, ".unreadable");
                let now = fs::rename(&path, &aside).map_or(path, |()| aside);
                opened.unreadable = Some((now, error.to_string()));
            }
        }
        let leases: Vec<_> = opened.stored(at).collect();
        match opened.file.replace(&leases) {
            Ok(()) => {
                // What was read is in the database now; there may be no such file.
                let _ = fs::rename(&before, with_suffix(&before, ".old"));
            }
            Err(error) => opened.unwritable = Some(error.to_string()),
        }
        Ok(opened)
    }

    /// The database's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_open(&self) -> bool {
        self.store.is_some()
    }

    /// Writes the changes; they are durable afterwards. After an error only [`LeaseFile::replace`] is of use: what is
    /// left in the kernel's cache after a failed fsync looks written and is not.
    pub(super) fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        match &self.store {
            Some(store) => store.write(changes),
            None => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        }
    }

    /// Puts a new file with all leases in the place of the old one, which is whole until then.
    pub(super) fn replace(&mut self, leases: &[(Ipv4Addr, Stored)]) -> Result<(), StoreError> {
        let found = match &self.store {
            // Its lock is held until the new one is in its place.
            Some(_) => None,
            None => open_locked(&self.path, OpenOptions::new().read(true).write(true)),
        };
        match found {
            Some(Err(Refused::Locked)) => return Err(in_use().into()),
            Some(Ok(_) | Err(Refused::Unreadable(_))) | None => {}
        }
        self.store = Some(create(&self.path, leases)?);
        Ok(())
    }
}

impl Opened {
    fn read(&mut self, stored: &[(Ipv4Addr, Stored)], at: Moment) {
        for (address, stored) in stored {
            let (lease, outdated) = stored.lease(at);
            self.leases.push((*address, lease));
            self.outdated |= outdated;
        }
    }

    fn stored(&self, at: Moment) -> impl Iterator<Item = (Ipv4Addr, Stored)> {
        let leases = self.leases.iter();
        leases.map(move |(address, lease)| (*address, lease.stored(at)))
    }

    /// The leases for the pool, in the order in which they end: of two for one machine the later one counts.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let bindings = self.leases.iter();
        let mut bindings: Vec<_> = bindings.map(|(at, lease)| lease.binding(*at)).collect();
        bindings.sort_by_key(|binding| binding.expires);
        bindings
    }
}

/// A regular file, not through a symbolic link, locked; `None` where there is nothing.
fn open_locked(
    path: &Path,
    options: &mut OpenOptions,
) -> Option<Result<(File, FileBackend), Refused>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = match options.custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.into())),
        Ok(file) => file,
    };
    Some(lock(path, file))
}

fn lock(path: &Path, file: File) -> Result<(File, FileBackend), Refused> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file").into());
    }
    let again = file.try_clone()?;
    let backend = FileBackend::new(file).map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Refused::Locked,
        other => io::Error::other(other.to_string()).into(),
    })?;
    // Another netroot may have put a new file in its place before it let go of this one.
    let (mine, there) = (again.metadata()?, fs::symlink_metadata(path)?);
    if (mine.dev(), mine.ino()) != (there.dev(), there.ino()) {
        return Err(Refused::Locked);
    }
    Ok((again, backend))
}

type Existing = (Store, Vec<(Ipv4Addr, Stored)>);

fn existing(path: &Path) -> Result<Option<Existing>, Refused> {
    let Some(locked) = open_locked(path, OpenOptions::new().read(true).write(true)) else {
        return Ok(None);
    };
    let (_, backend) = locked?;
    let store = Store::open(backend)?;
    let leases = store.load()?;
    Ok(Some((store, leases)))
}

/// Makes the database beside its place and moves it there once it is durable.
fn create(path: &Path, leases: &[(Ipv4Addr, Stored)]) -> Result<Store, StoreError> {
    let new = with_suffix(path, ".new");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let (file, backend) = match open_locked(&new, &mut options) {
        Some(Ok(locked)) => locked,
        Some(Err(Refused::Unreadable(error))) => return Err(error),
        Some(Err(Refused::Locked)) => return Err(in_use().into()),
        // The folder is missing.
        None => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
    };
    let made = (|| {
        // What a server left that was killed here.
        file.set_len(0)?;
        // The next server may not be started as root: its folder's owner is whom this one will be.
        let folder = path.parent().unwrap_or(Path::new("."));
        let (owner, mine) = (fs::metadata(folder)?, file.metadata()?);
        if (owner.uid(), owner.gid()) != (mine.uid(), mine.gid()) {
            let _ = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
        let store = Store::create(backend, leases)?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()?;
        Ok(store)
    })();
    if made.is_err() {
        // On a full disk its space is somebody's. It may be gone already.
        let _ = fs::remove_file(&new);
    }
    made
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "another process uses the file")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A lease as earlier versions wrote it.
#[derive(Debug, Deserialize)]
struct JsonLine {
    address: Ipv4Addr,
    mac: String,
    /// Seconds since 1970.
    expires: u64,
}

/// The leases of an earlier version; none where there is no such file. Lines that cannot be understood are left out.
fn read_json(path: &Path, lease_time: Duration, at: Moment) -> io::Result<Vec<(Ipv4Addr, Stored)>> {
    let text = match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LONGEST_JSON => {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(_) => fs::read_to_string(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let stored = |line: &str| {
        let line: JsonLine = serde_json::from_str(line).ok()?;
        let stored = Stored {
            mac: line.mac.parse().ok()?,
            // Not known: at the latest now, and at the earliest a lease time before its end.
            written: line
                .expires
                .saturating_sub(lease_time.as_secs())
                .min(at.wall.as_secs()),
            until: line.expires.min((at.wall + lease_time).as_secs()),
        };
        Some((line.address, stored))
    };
    Ok(text.lines().filter_map(stored).collect())
}

#[cfg(test)]
mod tests;
