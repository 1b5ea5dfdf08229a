//! The text of all files of a configuration at one moment.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

use super::paths::FollowedPaths;
use crate::settings::ConfigPlace;
use crate::swaps::{self, Swaps};

/// How long all files together may be, in bytes: some ten thousand machines.
const LONGEST: usize = 8 << 20;
/// How many files there may be.
const MOST: usize = 4096;
/// What drop-ins end with.
const EXTENSION: &str = "toml";

/// The files of a configuration: the main one, if there is one, and the drop-ins in the order of their names. And which roots
/// were exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// With their paths.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// The roots that were exchanged.
    pub(crate) swaps: Swaps,
}

/// The files cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// One of them, or the folder.
    #[error("cannot read {}: {error}{}", path.display(), remedy(error))]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// One that is no text.
    #[error("{} is no text in UTF-8; save it as UTF-8 (some editors save UTF-16)", path.display())]
    NotText {
        /// Its path.
        path: PathBuf,
    },
    /// There is too much of it.
    #[error(
        "the configuration {} is too long: {what}; is something else in the folder?",
        path.display()
    )]
    TooLong {
        /// The main file or the folder.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
    },
    /// That in which the exchanged roots are.
    #[error(transparent)]
    Swaps(#[from] swaps::file::FileError),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run this as root, or let your user read it",
        _ => "",
    }
}

impl Snapshot {
    /// Reads them. What is not there is not configured; what is there and cannot be read is an error.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub(crate) fn read(place: &ConfigPlace) -> Result<Self, SnapshotError> {
        let mut files = Vec::new();
        let mut left = LONGEST;
        let paths = [place.file.clone()].into_iter().chain(drop_ins(place)?);
        for path in paths {
            let text = read(&path, left).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => SnapshotError::NotText { path: path.clone() },
                _ => SnapshotError::Read {
                    path: path.clone(),
                    error,
                },
            })?;
            let Some(text) = text else {
                continue;
            };
            left = left.checked_sub(text.len()).ok_or(SnapshotError::TooLong {
                path: path.clone(),
                what: "8 MiB and more",
            })?;
            files.push((path, text));
        }
        let swaps = Swaps::default();
        Ok(Self { files, swaps })
    }

    /// Reads everything that a running server follows.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub(crate) fn of(followed: &FollowedPaths) -> Result<Self, SnapshotError> {
        let swaps = swaps::file::read(&followed.swaps)?;
        let read = followed.config.as_ref().map(Self::read).transpose()?;
        let files = read.map(|read| read.files).unwrap_or_default();
        Ok(Self { files, swaps })
    }

    /// Tells it from what the files were before. Never 0.
    pub(crate) fn digest(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        hash.write(&self.encode());
        hash.finish().max(1)
    }

    /// It in a file in memory that nobody changes any more.
    pub(crate) fn to_file(&self) -> Result<OwnedFd, Errno> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("netroot-configuration", flags)?;
        let bytes = self.encode();
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(written).unwrap_or(u64::MAX);
            written += rustix::io::pwrite(&file, rest, at)?;
        }
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(file)
    }

    /// From [`Snapshot::to_file`].
    ///
    /// # Errors
    /// The system's, and `InvalidData` for another file.
    pub(crate) fn of_file(file: OwnedFd) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        Self::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut add = |part: &[u8]| {
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend(part);
        };
        // It was read as JSON, so it can be written as that.
        add(&serde_json::to_vec(&self.swaps).unwrap_or_default());
        for (path, text) in &self.files {
            add(path.as_os_str().as_bytes());
            add(text.as_bytes());
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut part = || -> Option<Vec<u8>> {
            let (length, rest) = bytes.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (part, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            Some(part.to_vec())
        };
        let mut files = Vec::new();
        let swaps = serde_json::from_slice(&part()?).ok()?;
        while let Some(path) = part() {
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            files.push((path, String::from_utf8(part()?).ok()?));
        }
        bytes.is_empty().then_some(Self { files, swaps })
    }
}

/// The paths of the drop-ins. An editor's hidden files are none.
fn drop_ins(place: &ConfigPlace) -> Result<Vec<PathBuf>, SnapshotError> {
    let folder = &place.drop_ins;
    let failed = |error| SnapshotError::Read {
        path: folder.clone(),
        error,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().as_bytes();
        if path.extension().is_some_and(|end| end == EXTENSION) && !name.starts_with(b".") {
            paths.push(path);
        }
        if paths.len() > MOST {
            return Err(SnapshotError::TooLong {
                path: folder.clone(),
                what: "more than 4096 files",
            });
        }
    }
    paths.sort();
    Ok(paths)
}

/// A regular file's text; `None` if it is not there. At most a byte more than `most` is read.
fn read(path: &Path, most: usize) -> io::Result<Option<String>> {
    // A FIFO is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => File::from(opened?),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    let mut text = String::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1))
        .read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path) -> ConfigPlace {
        ConfigPlace {
            file: folder.join("netroot.toml"),
            drop_ins: folder.join("conf.d"),
        }
    }

    #[test]
    fn the_main_file_comes_first_and_drop_ins_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        assert_eq!(Snapshot::read(&place).unwrap().files, []);
        fs::create_dir(&place.drop_ins).unwrap();
        for name in ["b.toml", "a.toml", "c.toml.new", ".d.toml", "e.conf"] {
            fs::write(place.drop_ins.join(name), name).unwrap();
        }
        fs::write(&place.file, "main").unwrap();
        let snapshot = Snapshot::read(&place).unwrap();
        let texts: Vec<&str> = snapshot.files.iter().map(|(_, text)| &**text).collect();
        assert_eq!(texts, ["main", "a.toml", "b.toml"]);
        // Another process reads the same.
        let passed = Snapshot::of_file(snapshot.to_file().unwrap()).unwrap();
        assert_eq!(passed, snapshot);
        let mut swapped = snapshot.clone();
        let [a, b] = ["/srv/a", "/srv/b"].map(Path::new);
        let of = swaps::Served {
            configured: a,
            now: a,
        };
        let when = (
            swaps::When::Now,
            &(|_: &Path| false) as &dyn Fn(&Path) -> bool,
        );
        let done = swapped.swaps.swap("debian", of, b, when);
        done.unwrap();
        assert_ne!(swapped.digest(), snapshot.digest());
        let other = Snapshot::of_file(swapped.to_file().unwrap()).unwrap();
        assert_eq!(other, swapped);
        assert_eq!(passed.digest(), Snapshot::read(&place).unwrap().digest());
        fs::remove_file(place.drop_ins.join("a.toml")).unwrap();
        assert_ne!(passed.digest(), Snapshot::read(&place).unwrap().digest());
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        fs::create_dir_all(place.drop_ins.join("a.toml")).unwrap();
        let error = Snapshot::read(&place).unwrap_err().to_string();
        assert!(
            error.contains("conf.d/a.toml: it is no regular file"),
            "{error}"
        );
        fs::remove_dir(place.drop_ins.join("a.toml")).unwrap();
        fs::write(place.drop_ins.join("a.toml"), [0xff]).unwrap();
        let error = Snapshot::read(&place).unwrap_err().to_string();
        assert!(error.contains("a.toml is no text in UTF-8"), "{error}");
        fs::write(place.drop_ins.join("a.toml"), vec![b'#'; LONGEST + 1]).unwrap();
        let error = Snapshot::read(&place).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}
