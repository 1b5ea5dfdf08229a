//! The secret that file handles are signed with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use siphasher::sip128::SipHasher24;

/// The secret key of all file handles of a server.
///
/// Handles survive a restart only if the key does. A client that knew it could forge a handle of any file of the
/// exported file system. Two servers with the same key and the same disk accept each other's handles.
#[derive(Clone, PartialEq, Eq)]
pub struct HandleKey([u8; Self::LENGTH]);

/// Why no key is available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key file exists but cannot be read.
    #[error("cannot read the handle key {}", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// A link, a folder, a FIFO or a device.
    #[error("the handle key {} is not a regular file; remove it to create a new key (mounted clients must then reboot)", path.display())]
    NotAFile {
        /// The key file.
        path: PathBuf,
    },
    /// Others may read it, or write to it.
    #[error("the handle key {} is open to other users (mode {mode:04o}): whoever read it can open every file of the root; chmod 0600 it, or remove it to create a new one (mounted clients must then reboot)", path.display())]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else knows it.
    #[error("the handle key {} belongs to user {owner}, neither to root nor to the owner of its folder; chown it to root, or remove it to create a new one (mounted clients must then reboot)", path.display())]
    Owner {
        /// The key file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The key file does not contain a key.
    #[error("the handle key {} has {length} bytes instead of {}; remove it to create a new one (mounted clients must then reboot)", path.display(), HandleKey::LENGTH)]
    Length {
        /// The key file.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// A new key cannot be stored.
    #[error("cannot write the handle key {}", path.display())]
    Write {
        /// The key file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The kernel gave no randomness.
    #[error("cannot get random bytes for a handle key")]
    Random(#[source] io::Error),
}

impl HandleKey {
    /// The key's length in bytes: 128 bits, as SipHash takes.
    pub const LENGTH: usize = 16;

    /// A key that the caller stores.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// A random key. Handles signed with it are lost when the process ends.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; Self::LENGTH];
        let mut rest: &mut [u8] = &mut bytes;
        while !rest.is_empty() {
            let got = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty())
                .map_err(|errno| KeyError::Random(errno.into()))?;
            rest = rest.get_mut(got..).unwrap_or_default();
        }
        Ok(Self(bytes))
    }

    /// The key in a file, which is created if necessary with mode 0600. The file must be a regular one that nobody but
    /// its owner may read; its owner is root, this process's user, or whoever owns the folder and so could replace it.
    ///
    /// # Errors
    /// [`KeyError`], which names the file.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(path)
            }
            other => other,
        }
    }

    fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source: io::Error| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        // A link would be followed to a file that somebody else knows; a FIFO would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => {
                return Err(KeyError::NotAFile {
                    path: path.to_owned(),
                });
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(KeyError::NotAFile {
                path: path.to_owned(),
            });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Mode {
                path: path.to_owned(),
                mode,
            });
        }
        let own = rustix::process::geteuid().as_raw();
        let folder = fs::metadata(folder_of(path)).map_err(failed)?;
        let owner = metadata.uid();
        if ![0, own, folder.uid()].contains(&owner) {
            return Err(KeyError::Owner {
                path: path.to_owned(),
                owner,
            });
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(Self::LENGTH + 1).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        bytes.try_into().map(Self).map_err(|_| KeyError::Length {
            path: path.to_owned(),
            length,
        })
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let key = Self::random()?;
        match key.write(path) {
            Ok(()) => Ok(key),
            // Two servers start at once: both use the key of the first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(source) => Err(KeyError::Write {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes a complete file to a temporary name, and gives it its own unless that exists.
    fn write(&self, path: &Path) -> io::Result<()> {
        let name = |number: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".new-{}-{number}", std::process::id()));
            PathBuf::from(name)
        };
        // `O_EXCL` follows no link and takes no file that somebody else has made; one with this name was left behind by
        // a process that had our number.
        let new = |number| {
            let temporary = name(number);
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            Ok((temporary, file))
        };
        let (temporary, mut file) = (0..8)
            .map(new)
            .find(|made: &io::Result<_>| {
                !matches!(made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists)
            })
            .unwrap_or_else(|| Err(io::Error::other("every temporary name is taken")))?;
        let written = file.write_all(&self.0).and_then(|()| file.sync_all());
        let named = written.and_then(|()| rename_to_new(&temporary, path));
        if named.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        named?;
        // Without this a power failure may leave the folder without the name.
        File::open(folder_of(path))?.sync_all()
    }

    /// A key for another purpose, which does not reveal this one.
    pub fn derive(&self, purpose: &[u8]) -> [u8; Self::LENGTH] {
        SipHasher24::new_with_key(&self.0).hash(purpose).as_bytes()
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Renames, unless there is a file of the new name already.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // NFS and some other file systems cannot do it at once; a link never replaces anything either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => Ok(done?),
    }
}

impl std::fmt::Debug for HandleKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HandleKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_created_once_and_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let first = HandleKey::load_or_create(&path).unwrap();
        let second = HandleKey::load_or_create(&path).unwrap();
        assert!(first == second);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_and_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let error = HandleKey::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("has 5 bytes instead of 16"));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn keys_for_two_purposes_differ() {
        let key = HandleKey::from_bytes([7; 16]);
        assert_eq!(key.derive(b"one"), key.derive(b"one"));
        assert_ne!(key.derive(b"one"), key.derive(b"two"));
        assert_ne!(key.derive(b"one"), [7; 16]);
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_not_a_file_of_its_own_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let refused = || HandleKey::load_or_create(&path).unwrap_err().to_string();
        HandleKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(refused().contains("(mode 0640)"), "{}", refused());
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(refused().contains("belongs to user 12345"), "{}", refused());
            // Whoever owns the folder could replace the file anyway.
            std::os::unix::fs::chown(directory.path(), Some(12345), None).unwrap();
            HandleKey::load_or_create(&path).unwrap();
        }
        let other = directory.path().join("other");
        fs::rename(&path, &other).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(refused().contains("not a regular file"), "{}", refused());
        fs::remove_file(&path).unwrap();
        // A link to nothing: nothing is created where it leads.
        std::os::unix::fs::symlink(directory.path().join("absent"), &path).unwrap();
        assert!(refused().contains("not a regular file"), "{}", refused());
        assert!(!directory.path().join("absent").exists());
    }

    #[test]
    fn a_key_does_not_show_itself_in_debug_output() {
        let shown = format!("{:?}", HandleKey::from_bytes([65; 16]));
        assert_eq!(shown, "HandleKey(..)");
    }
}
