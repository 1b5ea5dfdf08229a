//! The API over TCP: only with a token, and by TLS if there is a certificate.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::tls::{Certificate, TlsError};
use super::token::{TokenFileError, Tokens};
use super::{Api, Caller, connection};
use crate::serve::events::{Event, Timeline, Warning};
use crate::settings::TcpApiSettings;

/// Connections in all, and of one client: browsers use six.
const CONNECTIONS: usize = 64;
const CONNECTIONS_EACH: usize = 16;
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

/// The connections that there are, by client.
type Open = Arc<Mutex<Vec<IpAddr>>>;

/// One of them, until it is dropped.
struct Slot(Open, IpAddr);

impl Slot {
    fn take(open: &Open, client: IpAddr) -> Option<Self> {
        let mut all = open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.iter().filter(|one| **one == client).count();
        if all.len() >= CONNECTIONS || own >= CONNECTIONS_EACH {
            return None;
        }
        all.push(client);
        Some(Self(Arc::clone(open), client))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|one| *one == self.1) {
            all.swap_remove(at);
        }
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
    /// since those are replaced rather than written to. Not a folder such as `/etc`, in which much else is: there it is the
    /// file as it is.
    pub(crate) fn files(settings: &TcpApiSettings) -> Vec<PathBuf> {
        let tls = settings.tls.iter().flat_map(Certificate::files);
        let real = std::fs::canonicalize(&settings.token_file).ok();
        let files = tls.chain([settings.token_file.clone()]).chain(real);
        let own = |file: PathBuf| match file.parent() {
            Some(folder) if folder.components().count() > 2 => folder.to_owned(),
            _ => file,
        };
        files.map(own).collect()
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
        let (tokens, open) = (Arc::new(tokens), Open::default());
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                // Most likely out of file descriptors, which ending the server would not cure.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let client = peer.ip().to_canonical();
            let Some(slot) = Slot::take(&open, client) else {
                continue;
            };
            let wrong = |error: TlsError| {
                let error = error.to_string();
                timeline.server(Event::Warning(Warning::ApiCertificate { error }));
            };
            let config = certificate.as_ref().map(|files| files.config(wrong));
            let acceptor = config.map(TlsAcceptor::from);
            let (api, tokens) = (Arc::clone(&api), Arc::clone(&tokens));
            tokio::spawn(async move {
                let _slot = slot;
                answer(stream, client, acceptor, &api, &tokens).await;
            });
        }
    }
}

async fn answer(
    stream: TcpStream,
    client: IpAddr,
    acceptor: Option<TlsAcceptor>,
    api: &Arc<Api>,
    tokens: &Tokens,
) {
    let admit = |headers: &HeaderMap| {
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
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_client_has_sixteen_connections_and_all_have_sixty_four() {
        let open = Open::default();
        let of = |last: u8| IpAddr::from([10, 0, 0, last]);
        let own: Vec<_> = (0..CONNECTIONS_EACH)
            .map(|_| Slot::take(&open, of(1)))
            .collect();
        assert!(own.iter().all(Option::is_some) && Slot::take(&open, of(1)).is_none());
        let others: Vec<_> = (2..)
            .map_while(|last| Slot::take(&open, of(last)))
            .collect();
        assert_eq!(own.len() + others.len(), CONNECTIONS);
        drop((own, others));
        assert!(open.lock().unwrap().is_empty());
    }
}
