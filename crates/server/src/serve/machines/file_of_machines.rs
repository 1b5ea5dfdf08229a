//! A file in the state folder that has something for each machine, by its hardware address, as JSON with mode 0600.
//!
//! What makes no sense is set aside at the start, since the next change would overwrite it. A file that the system could not
//! read may be whole: it is left alone, and nothing is written before it was read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use netroot_net::Mac;
use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest file that is read, in bytes; that of every machine is shorter.
const LONGEST: u64 = 16 << 20;

/// Reads it.
///
/// # Errors
/// The system's; it is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<BTreeMap<Mac, T>> {
    let mut options = OpenOptions::new();
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = options
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(io::Error::other("it is not a file, or too long"));
    }
    let by_text: BTreeMap<String, T> = serde_json::from_reader(io::BufReader::new(file))?;
    let machine = |(mac, one): (String, T)| {
        let mac = mac.parse::<Mac>().map_err(io::Error::other)?;
        Ok((mac, one))
    };
    by_text.into_iter().map(machine).collect()
}

/// The file of a running server.
#[derive(Debug)]
pub(super) struct FileOfMachines {
    path: PathBuf,
    /// It could not be read yet.
    is_unread: AtomicBool,
    /// Held while it is written.
    writing: Mutex<()>,
}

/// The file could not be read at the start.
#[derive(Debug)]
pub(crate) struct Unread {
    /// Where it is now.
    pub(crate) file: PathBuf,
    /// The system's error, or what makes no sense.
    pub(crate) error: io::Error,
    /// It makes no sense, and is set aside. Otherwise it is left alone until it can be read.
    pub(crate) is_set_aside: bool,
}

impl FileOfMachines {
    /// Reads it: nothing where there is no file. What could not be read is returned with nothing.
    pub(super) fn open<T: DeserializeOwned>(
        path: PathBuf,
    ) -> (Self, BTreeMap<Mac, T>, Option<Unread>) {
        let (all, unread) = match read_or_set_aside(&path) {
            Ok((all, unread)) => (all, unread),
            Err(unread) => (BTreeMap::new(), Some(unread)),
        };
        let is_unread = unread.as_ref().is_some_and(|it| !it.is_set_aside);
        let file = Self {
            path,
            is_unread: AtomicBool::new(is_unread),
            writing: Mutex::new(()),
        };
        (file, all, unread)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it could not be read yet. It does not wait for the disk.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::SeqCst)
    }

    /// Writes what `all` makes of what the file had, which is nothing unless it could not be read before. It is called once
    /// nobody else writes, so that the last one has the newest.
    ///
    /// # Errors
    /// The system's. A file that still cannot be read is not overwritten.
    pub(super) fn write<T: Serialize + DeserializeOwned>(
        &self,
        all: impl FnOnce(BTreeMap<Mac, T>) -> BTreeMap<Mac, T>,
    ) -> io::Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let had = match self.is_unread() {
            true => read_or_set_aside(&self.path).map_err(|Unread { error, .. }| {
                let text = format!("what it has cannot be read, and is not overwritten: {error}");
                io::Error::new(error.kind(), text)
            })?,
            false => (BTreeMap::new(), None),
        };
        let all = all(had.0);
        self.is_unread.store(false, Ordering::SeqCst);
        write(&self.path, &all)
    }
}

/// What the file has; nothing where there is none, or where it made no sense and was set aside.
///
/// # Errors
/// The system could not read it, or not set it aside.
fn read_or_set_aside<T: DeserializeOwned>(
    path: &Path,
) -> Result<(BTreeMap<Mac, T>, Option<Unread>), Unread> {
    let error = match read(path) {
        Ok(all) => return Ok((all, None)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((BTreeMap::new(), None));
        }
        Err(error) => error,
    };
    let left_alone = |error| Unread {
        file: path.to_owned(),
        error,
        is_set_aside: false,
    };
    // Only the system's own errors have a number.
    if error.raw_os_error().is_some() {
        return Err(left_alone(error));
    }
    let aside = path.with_extension("json.unreadable");
    fs::rename(path, &aside).map_err(left_alone)?;
    let unread = Unread {
        file: aside,
        error,
        is_set_aside: true,
    };
    Ok((BTreeMap::new(), Some(unread)))
}

/// Exchanges it as a whole: it is written beside itself, made durable, and renamed.
///
/// # Errors
/// The system's.
fn write<T: Serialize>(path: &Path, all: &BTreeMap<Mac, T>) -> io::Result<()> {
    let by_text = all.iter().map(|(mac, it)| (mac.to_string(), it));
    let by_text: BTreeMap<String, &T> = by_text.collect();
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const OLD: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const BOTH: Mac = Mac([2, 0, 0, 0, 0, 2]);

    type All = BTreeMap<Mac, String>;

    fn all(of: &[(Mac, &str)]) -> All {
        of.iter()
            .map(|(mac, it)| (*mac, (*it).to_owned()))
            .collect()
    }

    #[test]
    fn what_makes_no_sense_is_set_aside_and_does_not_hold_up_what_is_new() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("some.json");
        for nonsense in ["{\"x\":\"\"}", "{", "", "\u{0}"] {
            fs::write(&path, nonsense).unwrap();
            let (file, had, unread) = FileOfMachines::open::<String>(path.clone());
            let unread = unread.unwrap();
            assert!(had.is_empty() && unread.is_set_aside, "{nonsense}");
            assert_eq!(fs::read_to_string(unread.file).unwrap(), nonsense);
            file.write(|had: All| had.into_iter().chain(all(&[(OLD, "new")])).collect())
                .unwrap();
            assert_eq!(read::<String>(&path).unwrap(), all(&[(OLD, "new")]));
        }
    }

    #[test]
    fn what_the_system_cannot_read_is_left_alone_until_it_can_be_read() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("some.json");
        // No symbolic link is followed (ELOOP).
        let elsewhere = state.path().join("elsewhere.json");
        write(&elsewhere, &all(&[(OLD, "old"), (BOTH, "old")])).unwrap();
        symlink(&elsewhere, &path).unwrap();
        let (file, had, unread) = FileOfMachines::open::<String>(path.clone());
        let unread = unread.unwrap();
        assert!(had.is_empty() && !unread.is_set_aside);
        assert_eq!(unread.file, path);
        let add = |had: All| {
            let mut all = all(&[(BOTH, "new")]);
            for (mac, it) in had {
                all.entry(mac).or_insert(it);
            }
            all
        };
        for _ in 0..2 {
            let error = file.write(add).unwrap_err();
            assert!(error.to_string().contains("not overwritten"), "{error}");
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        }
        fs::rename(&elsewhere, &path).unwrap();
        file.write(add).unwrap();
        assert_eq!(read(&path).unwrap(), all(&[(OLD, "old"), (BOTH, "new")]));
        // From now on what the server knows is all.
        file.write(|had: All| had).unwrap();
        assert_eq!(read(&path).unwrap(), All::new());
    }
}
