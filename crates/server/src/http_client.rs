//! A small HTTP client with deadlines, without a runtime: for the subcommands that ask a running server, and for the helper
//! process that asks the web hook.
//!
//! It speaks HTTP/1.0, in which the answer ends with the connection and has no chunks.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest status line and header, in bytes.
const HEAD: u64 = 16 << 10;
/// Where systems have the certificates of the authorities that they trust: Debian and Alpine, Fedora, openSUSE, others.
const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificates are believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// The file cannot be read.
    #[error("cannot read the certificates of authorities in {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are none.
    #[error("{} has no certificate: expected a PEM file with -----BEGIN CERTIFICATE-----", .0.display())]
    None(PathBuf),
    /// This system has no such file.
    #[error(
        "this system has no file with the certificates of authorities ({0} and others): install ca-certificates, or name the server's with --ca"
    )]
    Nowhere(&'static str),
    /// TLS itself.
    #[error("cannot use TLS")]
    Tls(#[from] rustls::Error),
}

/// Believes the authorities in `file`, or those of the system.
///
/// # Errors
/// [`AuthorityError`].
pub(crate) fn tls(file: Option<&Path>) -> Result<Arc<ClientConfig>, AuthorityError> {
    let usual = || AUTHORITIES.iter().map(Path::new).find(|it| it.exists());
    let path = file
        .or_else(usual)
        .ok_or(AuthorityError::Nowhere(AUTHORITIES[0]))?;
    let pem = fs::read(path).map_err(|error| AuthorityError::Read {
        path: path.to_owned(),
        error,
    })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if roots.is_empty() {
        return Err(AuthorityError::None(path.to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A connection to an HTTP server.
pub(crate) struct Connection(Box<dyn ReadWrite>);

trait ReadWrite: Read + Write + Send {}

impl<T: Read + Write + Send> ReadWrite for T {}

/// A socket whose reads and writes end.
struct Timed<S> {
    socket: S,
    limit: Limit,
}

/// How long a connection may be waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// Until this moment, whatever happens.
    Until(Instant),
    /// So long for each read or write.
    Each(Duration),
}

impl Limit {
    fn left(self) -> io::Result<Duration> {
        match self {
            Self::Each(time) => Ok(time),
            Self::Until(moment) => {
                let left = moment.saturating_duration_since(Instant::now());
                match left.is_zero() {
                    true => Err(ErrorKind::TimedOut.into()),
                    false => Ok(left),
                }
            }
        }
    }
}

trait Socket: Read + Write {
    fn limit(&self, time: Duration) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

impl Socket for UnixStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

impl<S: Socket> Read for Timed<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.limit(self.limit.left()?)?;
        self.socket.read(bytes)
    }
}

impl<S: Socket> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.limit(self.limit.left()?)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Connection {
    /// To a Unix socket.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn unix(path: &Path, limit: Limit) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        Ok(Self(Box::new(Timed { socket, limit })))
    }

    /// To one of `addresses`, with TLS if there is a configuration for it and a name that the server has to prove.
    ///
    /// # Errors
    /// The last address's; a certificate that is not believed shows at the first write.
    pub(crate) fn tcp(
        addresses: &[SocketAddr],
        tls: Option<(Arc<ClientConfig>, &str)>,
        limit: Limit,
    ) -> io::Result<Self> {
        let mut failed = io::Error::from(ErrorKind::NotFound);
        for address in addresses {
            let socket = match TcpStream::connect_timeout(address, limit.left()?) {
                Ok(socket) => socket,
                Err(error) => {
                    failed = error;
                    continue;
                }
            };
            socket.set_nodelay(true)?;
            let socket = Timed { socket, limit };
            let Some((config, name)) = tls else {
                return Ok(Self(Box::new(socket)));
            };
            let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
            let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
            return Ok(Self(Box::new(StreamOwned::new(connection, socket))));
        }
        Err(failed)
    }

    /// Sends a request, and reads the head of the answer.
    ///
    /// # Errors
    /// The system's; `InvalidData` for an answer that is no HTTP.
    pub(crate) fn request(mut self, request: &Request<'_>) -> io::Result<Answer> {
        let whole = request.head() + request.body.unwrap_or_default();
        match self
            .0
            .write_all(whole.as_bytes())
            .and_then(|()| self.0.flush())
        {
            // Whoever does not need all of it may have answered and closed already.
            Err(error) if is_closed(&error) => {}
            sent => sent?,
        }
        let mut reader = BufReader::new(self.0);
        let mut head = Vec::new();
        loop {
            let room = HEAD.saturating_sub(u64::try_from(head.len()).unwrap_or(HEAD));
            let read = (&mut reader).take(room).read_until(b'\n', &mut head)?;
            if read == 0 {
                return Err(ErrorKind::InvalidData.into());
            }
            if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") {
                break;
            }
        }
        let head = Head::read(&head).ok_or(ErrorKind::InvalidData)?;
        Ok(Answer {
            status: head.status,
            body: reader.take(head.length.unwrap_or(u64::MAX)),
        })
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `GET`, …
    pub(crate) method: &'a str,
    /// From the slash on.
    pub(crate) path: &'a str,
    /// The header `Host`.
    pub(crate) host: &'a str,
    /// The token.
    pub(crate) token: Option<&'a str>,
    /// JSON.
    pub(crate) body: Option<&'a str>,
}

impl Request<'_> {
    fn head(&self) -> String {
        let Self {
            method, path, host, ..
        } = self;
        let mut head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: netroot/{}\r\n\
             Accept: application/json\r\nConnection: close\r\n",
            env!("CARGO_PKG_VERSION")
        );
        if let Some(token) = self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        if let Some(body) = self.body {
            let length = body.len();
            head += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        } else if *method != "GET" {
            head += "Content-Length: 0\r\n";
        }
        head + "\r\n"
    }
}

/// An answer, whose body is still to be read.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    body: io::Take<BufReader<Box<dyn ReadWrite>>>,
}

impl Answer {
    /// Whether it is what was asked for.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The whole body, if it has at most `most` bytes.
    ///
    /// # Errors
    /// The system's; `FileTooLarge`.
    pub(crate) fn text(&mut self, most: u64) -> io::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.body).take(most + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// Its lines, as they come.
    pub(crate) fn lines(&mut self) -> &mut impl BufRead {
        &mut self.body
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    status: u16,
    length: Option<u64>,
}

impl Head {
    /// Reads it; `None` if it is none of HTTP/1.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let rest = lines.next()?.strip_prefix("HTTP/1.")?;
        let status = rest.get(1..)?.trim_start().get(..3)?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let mut lengths = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = match lengths.next() {
            Some((_, value)) => Some(value.trim().parse().ok()?),
            None => None,
        };
        Some(Self {
            status: status.parse().ok().filter(|it| *it >= 100)?,
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_is_read_or_is_none() {
        let head = |text: &str| Head::read(text.as_bytes());
        let read = |status, length| Some(Head { status, length });
        assert_eq!(
            head("HTTP/1.1 200 OK\r\nA: b\r\nContent-length: 12\r\n\r\n"),
            read(200, Some(12))
        );
        assert_eq!(head("HTTP/1.0 404\r\n\r\n"), read(404, None));
        for wrong in [
            "",
            "HTTP/1.",
            "HTTP/2 200\r\n\r\n",
            "SSH-2.0\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 2x0\r\n\r\n",
            "HTTP/1.1 200\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert_eq!(head(wrong), None, "{wrong:?}");
        }
    }

    /// A server that answers each connection with `answer`, after it has read the head of a request.
    fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = [0; 4096];
                let _ = stream.read(&mut bytes);
                let _ = stream.write_all(answer);
                if answer.is_empty() {
                    // Silence, until the client has gone.
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            }
        });
        address
    }

    const REQUEST: Request<'_> = Request {
        method: "POST",
        path: "/",
        host: "x",
        token: Some("t"),
        body: Some("{}"),
    };

    fn ask(address: SocketAddr, limit: Limit) -> io::Result<(u16, String)> {
        let mut answer = Connection::tcp(&[address], None, limit)?.request(&REQUEST)?;
        Ok((answer.status, answer.text(100)?))
    }

    #[test]
    fn an_answer_ends_with_its_length_or_its_connection_and_has_a_limit() {
        let patience = Limit::Each(Duration::from_secs(60));
        let long: &'static [u8] = Box::leak(
            format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(101))
                .into_bytes()
                .into_boxed_slice(),
        );
        let address = server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay");
        assert_eq!(ask(address, patience).unwrap(), (200, "ok".to_owned()));
        let address = server(b"HTTP/1.1 503 No\r\n\r\nto the end");
        assert_eq!(
            ask(address, patience).unwrap(),
            (503, "to the end".to_owned())
        );
        let refused = |answer| ask(server(answer), patience).unwrap_err().kind();
        assert_eq!(refused(long), ErrorKind::FileTooLarge);
        assert_eq!(refused(b"SSH-2.0-OpenSSH\r\n"), ErrorKind::InvalidData);
        assert_eq!(refused(&[b'a'; 20_000]), ErrorKind::InvalidData);
    }

    #[test]
    fn a_silent_server_is_left_at_the_deadline() {
        let until = Limit::Until(Instant::now() + Duration::from_millis(50));
        let kind = ask(server(b""), until).unwrap_err().kind();
        assert!(
            matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{kind}"
        );
    }
}
