//! The API over TCP: only with a token, and by TLS if there is a certificate.

use std::ffi::OsStr;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::tls::{Certificate, CertificateChange, TlsError};
use super::token::{TokenFileError, Tokens, TokensChange};
use super::{Api, Caller, connection};
use crate::serve::connection_limits::{Busy, ConnectionLimits};
use crate::serve::events::{Timeline, Warning};
use crate::settings::TcpApiSettings;

/// Connections in all, and of one client: browsers use six.
const CONNECTIONS: usize = 64;
const CONNECTIONS_EACH: usize = 16;
/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The API over TCP cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TcpApiError {
    /// The address.
    #[error(
        "cannot listen for the API at {address}: {error}; choose another listen in [api], or end the program that has it (ss -ltnp)"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The tokens.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The API's listener over TCP.
#[derive(Debug)]
pub(crate) struct TcpApi {
    listener: TcpListener,
    tokens: Tokens,
    certificate: Option<Certificate>,
}

/// When a connection was last asked something, in milliseconds since it was opened. A stranger's is idle from the start:
/// who has many of them loses one for whoever has none.
#[derive(Debug)]
struct LastRequest {
    opened: Instant,
    after: AtomicU64,
}

impl LastRequest {
    fn new() -> Self {
        Self {
            opened: Instant::now(),
            after: AtomicU64::new(0),
        }
    }

    fn is_now(&self) {
        let after = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.after.store(after, Ordering::Relaxed);
    }
}

impl Busy for LastRequest {
    fn idle(&self, now: Instant) -> Duration {
        let after = Duration::from_millis(self.after.load(Ordering::Relaxed));
        now.duration_since(self.opened).saturating_sub(after)
    }
}

impl TcpApi {
    /// Opens everything, while this process still may.
    ///
    /// # Errors
    /// [`TcpApiError`].
    pub(crate) fn open(settings: &TcpApiSettings) -> Result<Self, TcpApiError> {
        let tokens = Tokens::open(&settings.token_file)?;
        let certificate = settings.tls.as_ref().map(Certificate::open).transpose()?;
        let bind = |error| TcpApiError::Bind {
            address: settings.listen,
            error,
        };
        let listener = TcpListener::bind(settings.listen).map_err(bind)?;
        Ok(Self {
            listener,
            tokens,
            certificate,
        })
    }

    /// What is wrong with the files, each with its key in `[api]`.
    pub(crate) fn wrong_files(settings: &TcpApiSettings) -> Vec<(&'static str, TcpApiError)> {
        let token = Tokens::open(&settings.token_file).err();
        let token = token.map(|error| ("token-file", error.into()));
        let pair = settings.tls.as_ref();
        let pair = pair.and_then(|files| Some((files, Certificate::open(files).err()?)));
        let pair = pair.map(|(files, error)| {
            let key = match error.path() == Some(&files.key) {
                true => "key",
                false => "certificate",
            };
            (key, error.into())
        });
        token.into_iter().chain(pair).collect()
    }

    /// What the confined server has to be able to read, so that changed files are taken over: the folders of the files,
    /// since those are replaced rather than written to. Not a folder in which there is anything else: there it is the file
    /// as it is.
    pub(crate) fn files(settings: &TcpApiSettings) -> Vec<PathBuf> {
        let tls = settings.tls.iter().flat_map(Certificate::files);
        let real = std::fs::canonicalize(&settings.token_file).ok();
        let files: Vec<PathBuf> = tls
            .chain([settings.token_file.clone()])
            .chain(real)
            .collect();
        let own = |file: &PathBuf| match file.parent() {
            Some(folder) if holds_nothing_else(folder, &files) => folder.to_owned(),
            _ => file.clone(),
        };
        files.iter().map(own).collect()
    }

    /// Whether tokens and answers cross a network in plain text.
    pub(crate) fn is_plain(settings: &TcpApiSettings) -> bool {
        settings.tls.is_none() && !settings.listen.ip().is_loopback()
    }

    /// Answers until the runtime ends.
    ///
    /// # Errors
    /// Only when the listener cannot be used at all.
    pub(crate) async fn run(self, api: Arc<Api>, timeline: Timeline) -> io::Result<()> {
        let Self {
            listener,
            tokens,
            certificate,
        } = self;
        listener.set_nonblocking(true)?;
        netroot_sys::tcp::cap_retransmission(&listener)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let tokens = Arc::new(tokens);
        let certificate = certificate.map(Arc::new);
        let limits = ConnectionLimits::new(CONNECTIONS, CONNECTIONS_EACH);
        let following = follow(Arc::clone(&tokens), certificate.clone(), timeline);
        // It ends with this.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(following);
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                // Most likely out of file descriptors, which ending the server would not cure.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let client = peer.ip().to_canonical();
            let last = Arc::new(LastRequest::new());
            let busy = Arc::<LastRequest>::clone(&last);
            let slot = ConnectionLimits::admit(&limits, client, busy, || {}).await;
            let Some(slot) = slot else {
                continue;
            };
            let config = certificate.as_ref().map(|files| files.config());
            let acceptor = config.map(TlsAcceptor::from);
            let (api, tokens) = (Arc::clone(&api), Arc::clone(&tokens));
            tokio::spawn(async move {
                tokio::select! {
                    () = answer(stream, client, acceptor, &last, &api, &tokens) => {}
                    () = slot.closing() => {}
                }
            });
        }
    }
}

/// Whether a folder has these files alone, or what certbot keeps beside them (`live` and `archive`).
fn holds_nothing_else(folder: &Path, files: &[PathBuf]) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.all(|entry| {
        entry.is_ok_and(|entry| files.contains(&entry.path()) || is_certbots(&entry.file_name()))
    })
}

/// `fullchain.pem`, `privkey1.pem`, `README`.
fn is_certbots(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let kind = name.strip_suffix(".pem");
    let kind = kind.map(|name| name.trim_end_matches(|last: char| last.is_ascii_digit()));
    name == "README" || matches!(kind, Some("cert" | "chain" | "fullchain" | "privkey"))
}

/// Takes changed files over, until the runtime ends.
async fn follow(tokens: Arc<Tokens>, certificate: Option<Arc<Certificate>>, timeline: Timeline) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (tokens, certificate) = (Arc::clone(&tokens), certificate.clone());
        let look = move || {
            let tokens = tokens.follow();
            (tokens, certificate.and_then(|files| files.follow()))
        };
        let Ok((tokens, certificate)) = tokio::task::spawn_blocking(look).await else {
            continue;
        };
        let tokens = tokens.map(|change| Warning::ApiTokens {
            error: match change {
                TokensChange::Refused(error) => Some(error.to_string()),
                TokensChange::Accepted => None,
            },
        });
        let certificate = certificate.map(|change| Warning::ApiCertificate {
            error: match change {
                CertificateChange::Refused(error) => Some(error.to_string()),
                CertificateChange::Accepted => None,
            },
        });
        for warning in tokens.into_iter().chain(certificate) {
            timeline.warn(warning);
        }
    }
}

async fn answer(
    stream: TcpStream,
    client: IpAddr,
    acceptor: Option<TlsAcceptor>,
    last: &LastRequest,
    api: &Arc<Api>,
    tokens: &Tokens,
) {
    let admit = |headers: &HeaderMap| {
        last.is_now();
        let checked = tokens.check(headers, client);
        checked.map(|()| Caller::Administrator(client))
    };
    match acceptor {
        None => connection::serve(stream, api, admit).await,
        Some(acceptor) => {
            let shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                connection::serve(stream, api, admit).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::settings::TlsSettings;

    #[test]
    fn folders_are_read_where_links_lead_and_not_those_in_which_much_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let [live, archive] = ["live", "archive"].map(|name| folder.join(name));
        fs::create_dir_all(&live).unwrap();
        fs::create_dir_all(&archive).unwrap();
        fs::write(archive.join("cert1.pem"), "").unwrap();
        symlink("../archive/cert1.pem", live.join("cert.pem")).unwrap();
        let settings = TcpApiSettings {
            listen: "127.0.0.1:8070".parse().unwrap(),
            token_file: "/etc/passwd".into(),
            tls: Some(TlsSettings {
                certificate: live.join("cert.pem"),
                key: live.join("key.pem"),
            }),
        };
        let files = TcpApi::files(&settings);
        assert!(
            files.contains(&live) && files.contains(&archive),
            "{files:?}"
        );
        assert!(files.contains(&"/etc/passwd".into()) && !files.contains(&"/etc".into()));
        // Until now a folder was given with whatever else is in it.
        fs::write(live.join("other.key"), "another's").unwrap();
        fs::write(archive.join("privkey2.pem"), "the next one").unwrap();
        let files = TcpApi::files(&settings);
        assert!(!files.contains(&live) && files.contains(&live.join("key.pem")));
        assert!(files.contains(&archive), "{files:?}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn four_clients_with_all_connections_keep_no_other_one_out() {
        let limits = ConnectionLimits::new(CONNECTIONS, CONNECTIONS_EACH);
        let of = |last: u8| IpAddr::from([10, 0, 0, last]);
        let open = |last: u8| {
            let busy = Arc::new(LastRequest::new());
            ConnectionLimits::admit(&limits, of(last), busy, || {})
        };
        let mut held = Vec::new();
        for last in 1..=4 {
            for _ in 0..CONNECTIONS_EACH {
                held.push(open(last).await.unwrap());
            }
        }
        assert!(open(1).await.is_none());
        // Before, nobody else got one.
        held.push(open(5).await.unwrap());
        // One of the four makes room.
        let closing = held.iter().map(|slot| Box::pin(slot.closing()));
        let mut closing: Vec<_> = closing.collect();
        std::future::poll_fn(|context| {
            let mut all = closing.iter_mut();
            match all.any(|one| one.as_mut().poll(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}
