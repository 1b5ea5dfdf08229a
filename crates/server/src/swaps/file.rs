//! The file in which it is written which directories the images' roots are: beside the state folder, since that belongs to
//! the server's user. `/var/lib/netroot-swaps/swaps.json`, for a state in `/var/lib/netroot`.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::Swaps;
use super::roots::apply;
use crate::settings::Settings;

/// What is added to the state folder's name.
const BESIDE: &str = "-swaps";
const NAME: &str = "swaps.json";
/// What it was before a change that is not finished.
const BEFORE: &str = "swaps.json.before";
/// What it is to be.
const NEW: &str = "swaps.json.new";
/// Only root opens it, so nobody else holds up who changes the file.
const LOCK: &str = "swaps.lock";
/// How long somebody else who changes the file is waited for: an initrd may be built meanwhile.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// The longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// The bits of a mode by which others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It, or its folder.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Somebody else could have written it.
    #[error(
        "{} {why}, so it may not say what machines boot; chown it to root and chmod it go-w, or remove it",
        path.display()
    )]
    NotRoots {
        /// Its path, or its folder's.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Somebody else changes it.
    #[error(
        "{} is being changed by another netroot image command for {} minutes; end that one and try again",
        path.display(),
        PATIENCE.as_secs() / 60
    )]
    Busy {
        /// Its path.
        path: PathBuf,
    },
    /// It makes no sense.
    #[error("{} is damaged ({error}); remove it to serve the configured roots", path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What was expected.
        error: serde_json::Error,
    },
}

/// Where it is, for a server with this state folder.
pub(crate) fn path(state: &Path) -> PathBuf {
    let mut folder = state.to_owned();
    // `state/` and `state` are one folder.
    let name = state.file_name().unwrap_or_default();
    let mut beside = name.to_owned();
    beside.push(BESIDE);
    folder.set_file_name(beside);
    folder.join(NAME)
}

/// Reads it. What is not there says nothing.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read(path: &Path) -> Result<Swaps, FileError> {
    read_of(path, 0)
}

/// Gives each image the root that it has by the file, and has what was written for the next start obeyed, now and later.
///
/// # Errors
/// [`FileError`].
pub(crate) fn at_start(settings: &mut Settings) -> Result<(), FileError> {
    let file = path(&settings.state);
    // What does not count is told when the configuration is looked at the first time.
    apply_at_start(settings, &read(&file)?, &file);
    Ok(())
}

/// The same with what was read from the file. Returns what counts for nothing, a sentence each.
pub(crate) fn apply_at_start(settings: &mut Settings, swaps: &Swaps, file: &Path) -> Vec<String> {
    settings.swaps_at_start = swaps.at_restart();
    apply(&mut settings.catalog, swaps, file, &settings.swaps_at_start)
}

/// The same for a file that `owner` may have written, beside root.
fn read_of(path: &Path, owner: u32) -> Result<Swaps, FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match open_folder(folder, OFlags::PATH, owner)? {
        Some(folder) => read_in(folder.as_fd(), path, owner),
        None => Ok(Swaps::default()),
    }
}

fn read_in(folder: BorrowedFd<'_>, path: &Path, owner: u32) -> Result<Swaps, FileError> {
    let failed = |error: io::Error| FileError::Read {
        path: path.to_owned(),
        error,
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, NAME, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Swaps::default()),
        opened => File::from(opened.map_err(|errno| failed(errno.into()))?),
    };
    trust(path, &file, owner, std::fs::Metadata::is_file).map_err(failed)??;
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| FileError::Damaged {
        path: path.to_owned(),
        error,
    })
}

/// The folder, if it is there and root's.
fn open_folder(folder: &Path, access: OFlags, owner: u32) -> Result<Option<File>, FileError> {
    let failed = |error: io::Error| FileError::Read {
        path: folder.to_owned(),
        error,
    };
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => File::from(opened.map_err(|errno| failed(errno.into()))?),
    };
    trust(folder, &opened, owner, std::fs::Metadata::is_dir).map_err(failed)??;
    Ok(Some(opened))
}

/// Whether nobody but root can have made it what it is.
fn trust(
    path: &Path,
    opened: &File,
    owner: u32,
    is_one: impl Fn(&std::fs::Metadata) -> bool,
) -> io::Result<Result<(), FileError>> {
    let metadata = opened.metadata()?;
    let why = match &metadata {
        other if !is_one(other) => "is no regular file",
        other if ![0, owner].contains(&other.uid()) => "does not belong to root",
        other if other.mode() & OTHERS_WRITE != 0 => "can be written by others than root",
        _ => return Ok(Ok(())),
    };
    let path = path.to_owned();
    Ok(Err(FileError::NotRoots { path, why }))
}

/// The file while it is changed: nobody else changes it until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    path: PathBuf,
    folder: File,
    owner: u32,
    /// Whether there was a file before it was written; `None` as long as it has not been.
    was_there: Option<bool>,
    /// Locked while it is open.
    _lock: OwnedFd,
}

impl Locked {
    /// Makes the folder if need be, and waits for who else changes the file, which is `told` once.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn open(path: &Path, told: impl FnOnce()) -> Result<Self, FileError> {
        Self::open_of(path, 0, told)
    }

    fn open_of(path: &Path, owner: u32, told: impl FnOnce()) -> Result<Self, FileError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let failed = |error: io::Error| FileError::Read {
            path: folder.to_owned(),
            error,
        };
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(failed)?,
        }
        let opened = open_folder(folder, OFlags::RDONLY, owner)?;
        let opened = opened.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let lock = rustix::fs::openat(&opened, LOCK, flags, mode);
        let lock = lock.map_err(|errno| failed(errno.into()))?;
        let until = Instant::now() + PATIENCE;
        let mut told = Some(told);
        loop {
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if Instant::now() < until => {}
                Err(Errno::WOULDBLOCK) => {
                    let path = path.to_owned();
                    return Err(FileError::Busy { path });
                }
                locked => {
                    locked.map_err(|errno| failed(errno.into()))?;
                    break;
                }
            }
            if let Some(told) = told.take() {
                told();
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(Self {
            path: path.to_owned(),
            folder: opened,
            owner,
            was_there: None,
            _lock: lock,
        })
    }

    /// What it says now.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn read(&self) -> Result<Swaps, FileError> {
        read_in(self.folder.as_fd(), &self.path, self.owner)
    }

    /// Changes it as a whole, durably, and keeps what it was until [`Locked::accept`]. Without an image in it there is no file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(&mut self, swaps: &Swaps) -> io::Result<()> {
        self.accept()?;
        let folder = &self.folder;
        let kept = rustix::fs::linkat(folder, NAME, folder, BEFORE, AtFlags::empty());
        self.was_there = Some(match kept {
            Err(Errno::NOENT) => false,
            kept => kept.map(|()| true)?,
        });
        if swaps.is_empty() {
            return self.remove(NAME);
        }
        let mut text = serde_json::to_vec_pretty(swaps)?;
        text.push(b'\n');
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let mut file = File::from(rustix::fs::openat(folder, NEW, flags, mode)?);
        file.write_all(&text)?;
        // The command's umask may be narrower than what the server's helpers need.
        rustix::fs::fchmod(&file, mode)?;
        file.sync_all()?;
        rustix::fs::renameat(folder, NEW, folder, NAME)?;
        folder.sync_all()
    }

    /// Makes it what it was before [`Locked::write`]. That takes no space.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn restore(&self) -> io::Result<()> {
        match self.was_there {
            None => Ok(()),
            Some(false) => self.remove(NAME),
            Some(true) => {
                rustix::fs::renameat(&self.folder, BEFORE, &self.folder, NAME)?;
                self.folder.sync_all()
            }
        }
    }

    /// What was written stays.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn accept(&self) -> io::Result<()> {
        self.remove(BEFORE)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => {
                removed?;
                self.folder.sync_all()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::{Served, When};
    use super::*;

    fn swapped_to(root: &str) -> Swaps {
        let mut swaps = Swaps::default();
        let [a, b] = ["/srv/a", root].map(Path::new);
        let of = Served {
            configured: a,
            now: a,
        };
        let when = (When::Now, &(|_: &Path| false) as &dyn Fn(&Path) -> bool);
        swaps.swap("debian", of, b, when).unwrap();
        swaps
    }

    fn swapped() -> Swaps {
        swapped_to("/srv/b")
    }

    fn own() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn locked(path: &Path) -> Locked {
        Locked::open_of(path, own(), || {}).unwrap()
    }

    #[test]
    fn it_is_beside_the_state_folder() {
        for state in ["/var/lib/netroot", "/var/lib/netroot/"] {
            let file = Path::new("/var/lib/netroot-swaps/swaps.json");
            assert_eq!(path(Path::new(state)), file);
        }
    }

    #[test]
    fn what_is_written_is_read_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("state"));
        let read = || read_of(&path, own()).unwrap();
        assert_eq!(read(), Swaps::default());
        let mut locked = locked(&path);
        locked.write(&swapped()).unwrap();
        assert_eq!((read(), locked.read().unwrap()), (swapped(), swapped()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        locked.restore().unwrap();
        assert!(!path.exists());
        locked.write(&swapped()).unwrap();
        locked.accept().unwrap();
        for after in [swapped_to("/srv/c"), Swaps::default()] {
            locked.write(&after).unwrap();
            assert_eq!(read(), after);
            locked.restore().unwrap();
            assert_eq!(read(), swapped());
        }
        // What was not changed is not taken back.
        drop(locked);
        let unchanged = super::tests::locked(&path);
        unchanged.restore().unwrap();
        assert_eq!(read(), swapped());
        // Nothing but the file and its lock.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn one_changes_it_at_a_time_and_who_waits_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("state"));
        let first = locked(&path);
        let mut first = Some(first);
        let waits = || drop(first.take());
        Locked::open_of(&path, own(), waits).unwrap();
        assert!(first.is_none());
        let lock = path.with_file_name(LOCK);
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o777, 0o600);
        // Somebody else's folder.
        let parent = path.parent().unwrap();
        fs::set_permissions(parent, PermissionsExt::from_mode(0o777)).unwrap();
        let refused = Locked::open_of(&path, own(), || {}).unwrap_err();
        assert!(
            refused.to_string().contains("-swaps can be written"),
            "{refused}"
        );
    }

    #[test]
    fn what_others_can_write_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("state"));
        let own = own();
        locked(&path).write(&swapped()).unwrap();
        let refused = || read_of(&path, own).unwrap_err().to_string();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        mode(&path, 0o664);
        assert!(
            refused().contains("can be written by others"),
            "{}",
            refused()
        );
        mode(&path, 0o644);
        mode(path.parent().unwrap(), 0o777);
        assert!(refused().contains("-swaps can be written"), "{}", refused());
        mode(path.parent().unwrap(), 0o755);
        fs::write(&path, "{\"images\": 3}").unwrap();
        assert!(refused().contains("is damaged"), "{}", refused());
        if own == 0 {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(
                refused().contains("does not belong to root"),
                "{}",
                refused()
            );
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(refused().contains("cannot read"), "{}", refused());
    }
}
