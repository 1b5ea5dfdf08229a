//! The certificate of the API over TCP, which may be renewed while the server runs.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;

use crate::settings::TlsSettings;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
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

/// A certificate with its key, as it is now.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    seen: Seen,
    looked: Instant,
}

/// What tells the files from those that were read.
type Seen = [Option<(u64, u64, SystemTime)>; 2];

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
                looked: Instant::now(),
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

    /// What a connection is made with. A certificate that was changed is taken over once it is whole; a wrong one changes nothing,
    /// and its error is told once.
    pub(crate) fn config(&self, wrong: impl FnOnce(TlsError)) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(state.looked) >= LOOK_EVERY {
            state.looked = now;
            let seen = seen(&self.files);
            if seen != state.seen && is_settled(&seen, SystemTime::now()) {
                state.seen = seen;
                match read(&self.files) {
                    Ok(config) => state.config = config,
                    Err(error) => wrong(error),
                }
            }
        }
        Arc::clone(&state.config)
    }
}

fn seen(files: &TlsSettings) -> Seen {
    [&files.certificate, &files.key].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.len(), file.modified().ok()?))
    })
}

fn is_settled(seen: &Seen, now: SystemTime) -> bool {
    seen.iter().all(|file| match file {
        // A time to come is nothing to wait for.
        Some((_, _, modified)) => now
            .duration_since(*modified)
            .map_or(true, |age| age >= SETTLED),
        None => false,
    })
}

fn read(files: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let read = |path: &Path, what| {
        fs::read(path).map_err(|error| TlsError::Read {
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
            let mut state = certificate.state.lock().unwrap();
            state.looked -= 2 * LOOK_EVERY;
            drop(state);
            let mut wrong = None;
            let config = certificate.config(|error| wrong = Some(error.to_string()));
            (config, wrong)
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
        let (new, wrong) = look();
        assert!(!Arc::ptr_eq(&first, &new) && wrong.is_none());
    }
}
