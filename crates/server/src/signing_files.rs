//! The files of a key that signs: the private key and its certificate.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netroot_secure_boot::{SigningKey, SigningKeyError};
use rustix::fs::OFlags;

/// The longest key, certificate or stub, in bytes.
const LONGEST: u64 = 4 << 20;

/// A key, its certificate or a stub that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningFilesError {
    /// One cannot be read.
    #[error("cannot read {what} {}", path.display())]
    Read {
        /// Which.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Machines could read the key.
    #[error(
        "the key {} is in {}, which machines read: keep it where nothing is served, or hide it there (--hide)",
        key.display(), folder.display()
    )]
    Served {
        /// The path of the key.
        key: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// They cannot sign.
    #[error("cannot sign with {} and {}", key.display(), certificate.display())]
    Key {
        /// The path of the key.
        key: PathBuf,
        /// That of the certificate.
        certificate: PathBuf,
        /// Why not.
        source: SigningKeyError,
    },
}

/// A private key and its certificate, as they are in their files.
pub(crate) struct SigningFiles<'a> {
    paths: [&'a Path; 2],
    key: Vec<u8>,
    certificates: Vec<u8>,
}

impl<'a> SigningFiles<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// [`SigningFilesError::Read`].
    pub(crate) fn read(key: &'a Path, certificate: &'a Path) -> Result<Self, SigningFilesError> {
        Ok(Self {
            paths: [key, certificate],
            key: read(key, KEY)?,
            certificates: read(certificate, CERTIFICATE)?,
        })
    }

    /// What signs.
    ///
    /// # Errors
    /// [`SigningFilesError::Key`].
    pub(crate) fn key(&self) -> Result<SigningKey, SigningFilesError> {
        let [key, certificate] = self.paths.map(Path::to_owned);
        SigningKey::from_pem(&self.key, &self.certificates).map_err(|source| {
            SigningFilesError::Key {
                key,
                certificate,
                source,
            }
        })
    }
}

/// Whether both can be read, without reading them.
///
/// # Errors
/// [`SigningFilesError::Read`].
pub(crate) fn open_both(key: &Path, certificate: &Path) -> Result<(), SigningFilesError> {
    open(key, KEY)?;
    open(certificate, CERTIFICATE).map(drop)
}

const KEY: &str = "the key";
const CERTIFICATE: &str = "the certificate";

/// Reads one of the files, which is `what`.
///
/// # Errors
/// [`SigningFilesError::Read`].
pub(crate) fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, SigningFilesError> {
    let file = open(path, what)?;
    let failed = |source| unread(path, what, source);
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 {
        length if length > LONGEST => Err(failed(io::Error::other("it is longer than 4 MiB"))),
        _ => Ok(bytes),
    }
}

fn open(path: &Path, what: &'static str) -> Result<File, SigningFilesError> {
    let failed = |source| unread(path, what, source);
    // A FIFO is not waited for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags);
    let file = options.open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    Ok(file)
}

fn unread(path: &Path, what: &'static str, source: io::Error) -> SigningFilesError {
    SigningFilesError::Read {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        mkfifoat(CWD, &path, Mode::RUSR).unwrap();
        let error = open(&path, KEY).unwrap_err();
        let SigningFilesError::Read { source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(source.to_string(), "it is not a regular file");
    }
}
