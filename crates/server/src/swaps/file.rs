//! The file in which it is written which directories the images' roots are: beside the state folder, since that belongs to
//! the server's user. `/var/lib/netroot-swaps/swaps.json`, for a state in `/var/lib/netroot`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::Swaps;

/// What is added to the state folder's name.
const BESIDE: &str = "-swaps";
const NAME: &str = "swaps.json";
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

/// The same for a file that `owner` may have written, beside root.
fn read_of(path: &Path, owner: u32) -> Result<Swaps, FileError> {
    let failed = |error: io::Error| FileError::Read {
        path: path.to_owned(),
        error,
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags.bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Swaps::default()),
        opened => opened.map_err(failed)?,
    };
    let its = file.metadata().map_err(failed)?;
    let folders = fs::symlink_metadata(folder).map_err(failed)?;
    for (path, metadata, is_one) in [
        (path, &its, its.is_file()),
        (folder, &folders, folders.is_dir()),
    ] {
        let why = match metadata {
            _ if !is_one => "is a link or no regular file",
            other if ![0, owner].contains(&other.uid()) => "does not belong to root",
            other if other.mode() & OTHERS_WRITE != 0 => "can be written by others than root",
            _ => continue,
        };
        let path = path.to_owned();
        return Err(FileError::NotRoots { path, why });
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| FileError::Damaged {
        path: path.to_owned(),
        error,
    })
}

/// The file while it is changed: nobody else changes it until this is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    path: PathBuf,
    folder: File,
}

impl Locked {
    /// Makes the folder if need be, and waits for who else changes the file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let folder = File::open(folder)?;
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
        Ok(Self {
            path: path.to_owned(),
            folder,
        })
    }

    /// What it says now.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn read(&self) -> Result<Swaps, FileError> {
        read(&self.path)
    }

    /// Exchanges it as a whole, durably. Without an image in it there is no file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn write(&self, swaps: &Swaps) -> io::Result<()> {
        if swaps.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed.and_then(|()| self.folder.sync_all()),
            };
        }
        let mut text = serde_json::to_vec_pretty(swaps)?;
        text.push(b'\n');
        let new = self.path.with_extension("json.new");
        let mut options = OpenOptions::new();
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let options = options.write(true).create(true).truncate(true).mode(0o644);
        let mut file = options.custom_flags(flags).open(&new)?;
        file.write_all(&text)?;
        // The command's umask may be narrower than what the server's helpers need.
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.folder.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn swapped() -> Swaps {
        let mut swaps = Swaps::default();
        let done = swaps.swap("debian", Path::new("/srv/a"), Path::new("/srv/b"));
        done.unwrap();
        swaps
    }

    #[test]
    fn it_is_beside_the_state_folder() {
        for state in ["/var/lib/netroot", "/var/lib/netroot/"] {
            let file = Path::new("/var/lib/netroot-swaps/swaps.json");
            assert_eq!(path(Path::new(state)), file);
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_left_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("state"));
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(read_of(&path, own).unwrap(), Swaps::default());
        let locked = Locked::open(&path).unwrap();
        locked.write(&swapped()).unwrap();
        assert_eq!(read_of(&path, own).unwrap(), swapped());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        locked.write(&Swaps::default()).unwrap();
        assert!(!path.exists());
        locked.write(&Swaps::default()).unwrap();
    }

    #[test]
    fn what_others_can_write_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("state"));
        let own = rustix::process::geteuid().as_raw();
        Locked::open(&path).unwrap().write(&swapped()).unwrap();
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
