//! The certificate of the API over TCP, which may be renewed while the server runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;

use super::secret_file::{SecretFile, Seen};
use crate::settings::TlsSettings;

/// A certificate that is being written has time to become whole, and so has its key.
const SETTLED: Duration = Duration::from_secs(2);

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {error}", path.display())]
    Read {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no PEM, or has none of what it should have.
    #[error("{} has no {what}: expected a PEM file with -----BEGIN {header}-----", path.display())]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What a PEM file would have.
        header: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// They do not belong together, or are of a kind that is not supported.
    #[error("cannot use the certificate {} with the key {}: {error}; give the certificate that was made for this key, with those of its authorities behind it", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
}

impl TlsError {
    /// The file that is wrong by itself.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Read { path, .. } | Self::Pem { path, .. } => Some(path),
            Self::Pair { .. } => None,
        }
    }
}

/// What a change of the files came to.
#[derive(Debug)]
pub(crate) enum CertificateChange {
    /// They cannot be used, and the certificate before them stays.
    Refused(TlsError),
    /// They are used, after others that could not be.
    Accepted,
}

/// A certificate with its key, as it is now.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    seen: Both,
    /// Whether what was read last cannot be used.
    refused: bool,
}

/// What tells the files from those that were read.
type Both = [Option<Seen>; 2];

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn open(files: &TlsSettings) -> Result<Self, TlsError> {
        let seen = seen(files);
        Ok(Self {
            state: Mutex::new(State {
                config: read(files)?,
                seen,
                refused: false,
            }),
            files: files.clone(),
        })
    }

    /// The files, and those that links lead to now, as certbot's do.
    pub(crate) fn files(files: &TlsSettings) -> impl Iterator<Item = PathBuf> {
        let named = [&files.certificate, &files.key].map(Clone::clone);
        let real = named.clone().map(fs::canonicalize).into_iter().flatten();
        named.into_iter().chain(real)
    }

    /// What a connection is made with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state().config)
    }

    /// Takes a certificate over that was changed, once it is whole. A wrong one changes nothing; that, and its end, is
    /// returned once. It waits for the disk: call it where that may be.
    pub(crate) fn follow(&self) -> Option<CertificateChange> {
        let seen = seen(&self.files);
        if seen == self.state().seen || !is_settled(&seen, SystemTime::now()) {
            return None;
        }
        let read = read(&self.files);
        let mut state = self.state();
        state.seen = seen;
        let was_refused = std::mem::replace(&mut state.refused, read.is_err());
        match read {
            Ok(config) => {
                state.config = config;
                was_refused.then_some(CertificateChange::Accepted)
            }
            Err(error) => Some(CertificateChange::Refused(error)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seen(files: &TlsSettings) -> Both {
    [&files.certificate, &files.key].map(|path| Seen::of(path))
}

fn is_settled(seen: &Both, now: SystemTime) -> bool {
    seen.iter().all(|file| match file {
        // A time to come is nothing to wait for.
        Some(seen) => now
            .duration_since(seen.modified())
            .map_or(true, |age| age >= SETTLED),
        None => false,
    })
}

fn read(files: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |path: &Path, what| {
        let read = SecretFile::read(path).map(|file| file.bytes);
        read.map_err(|error| TlsError::Read {
            what,
            path: path.to_owned(),
            error,
        })
    };
    let no = |path: &Path, what, header| TlsError::Pem {
        what,
        header,
        path: path.to_owned(),
    };
    let pem = read(&files.certificate, "certificate")?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.ok().filter(|all| !all.is_empty());
    let certificates =
        certificates.ok_or_else(|| no(&files.certificate, "certificate", "CERTIFICATE"))?;
    let pem = read(&files.key, "key")?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| no(&files.key, "private key", "PRIVATE KEY"))?;
    let pair = |error| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        error,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `openssl req -x509 -newkey ed25519 -nodes -days 36500 -subj /CN=localhost`.
    const CERTIFICATE: &str = include_str!("tls/test-certificate.pem");
    const KEY: &str = include_str!("tls/test-key.pem");
    const OTHER_KEY: &str = include_str!("tls/test-other-key.pem");

    fn files(certificate: &str, key: &str) -> (tempfile::TempDir, TlsSettings) {
        let folder = tempfile::tempdir().unwrap();
        let settings = TlsSettings {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
        };
        fs::write(&settings.certificate, certificate).unwrap();
        fs::write(&settings.key, key).unwrap();
        (folder, settings)
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let said = |certificate: &str, key: &str| {
            let (_folder, files) = files(certificate, key);
            Certificate::open(&files).unwrap_err().to_string()
        };
        assert!(said("", KEY).contains("certificate.pem has no certificate: expected a PEM file"));
        assert!(said(CERTIFICATE, "").contains("key.pem has no private key"));
        let pair = said(CERTIFICATE, OTHER_KEY);
        assert!(
            pair.contains("give the certificate that was made for this key"),
            "{pair}"
        );
        let absent = TlsSettings {
            certificate: "/nonexistent/a".into(),
            key: "/nonexistent/b".into(),
        };
        let absent = Certificate::open(&absent).unwrap_err().to_string();
        assert!(
            absent.starts_with("cannot read the certificate /nonexistent/a: "),
            "{absent}"
        );
    }

    #[test]
    fn a_renewed_certificate_is_taken_over_when_it_is_whole_and_fits() {
        let (_folder, files) = files(CERTIFICATE, KEY);
        let certificate = Certificate::open(&files).unwrap();
        let look = || {
            let told = certificate.follow().map(|change| match change {
                CertificateChange::Refused(error) => error.to_string(),
                CertificateChange::Accepted => "accepted".to_owned(),
            });
            (certificate.config(), told)
        };
        let write = |path: &Path, text: &str, ago: Duration| {
            fs::write(path, text).unwrap();
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - ago).unwrap();
        };
        let long_ago = Duration::from_secs(60);
        write(&files.certificate, CERTIFICATE, long_ago);
        let (first, wrong) = look();
        assert_eq!(wrong, None);
        // Being written.
        write(&files.key, OTHER_KEY, Duration::ZERO);
        let (same, wrong) = look();
        assert!(Arc::ptr_eq(&first, &same) && wrong.is_none());
        // Not the certificate's.
        write(&files.key, OTHER_KEY, long_ago);
        let (same, wrong) = look();
        assert!(Arc::ptr_eq(&first, &same) && wrong.is_some());
        assert_eq!(look().1, None, "told once");
        write(&files.key, KEY, 2 * long_ago);
        let (new, told) = look();
        assert!(!Arc::ptr_eq(&first, &new));
        assert_eq!(told.as_deref(), Some("accepted"));
        // Another one after a good one is nothing to tell.
        write(&files.certificate, CERTIFICATE, 3 * long_ago);
        let (newest, told) = look();
        assert!(!Arc::ptr_eq(&new, &newest) && told.is_none());
    }
}
