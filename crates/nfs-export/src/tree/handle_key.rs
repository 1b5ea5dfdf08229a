//! The secret that file handles are signed with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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

    /// The key in a file, which is created if necessary with mode 0600.
    ///
    /// # Errors
    /// [`KeyError`], which names the file.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match fs::read(path) {
            Ok(bytes) => {
                let length = bytes.len();
                bytes.try_into().map(Self).map_err(|_| KeyError::Length {
                    path: path.to_owned(),
                    length,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(source) => Err(KeyError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn create(path: &Path) -> Result<Self, KeyError> {
        let key = Self::random()?;
        let failed = |source| KeyError::Write {
            path: path.to_owned(),
            source,
        };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".new-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(&key.0)?;
                file.sync_all()
            });
        // A link instead of a rename: if two servers start at once, both use the key of the first.
        let linked = written.and_then(|()| fs::hard_link(&temporary, path));
        let _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::load_or_create(path)
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// A key for another purpose, which does not reveal this one.
    pub fn derive(&self, purpose: &[u8]) -> [u8; Self::LENGTH] {
        SipHasher24::new_with_key(&self.0).hash(purpose).as_bytes()
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
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
    fn a_key_does_not_show_itself_in_debug_output() {
        let shown = format!("{:?}", HandleKey::from_bytes([65; 16]));
        assert_eq!(shown, "HandleKey(..)");
    }
}
