//! How the subcommands reach a running server: through its Unix socket, or over TCP with a token.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use netroot_printable::Printable;
use rustls::CertificateError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::control_socket;
use crate::http_client::{Answer, Connection, Limit, Request, tls};
use crate::http_url::HttpUrl;

/// The server's default.
const STATE: &str = "/var/lib/netroot";
/// What every path of the API begins with.
const PREFIX: &str = "/api/v1";
/// How long a server is waited for that has an answer at hand.
const PATIENCE: Duration = Duration::from_secs(30);
/// The status of an answer to a token that is none of the server's.
const UNAUTHORIZED: u16 = 401;
/// The longest answer, in bytes.
const MOST: u64 = 64 << 20;

/// Which server is asked.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServerArgs {
    /// The server's socket [default: /run/netroot-server/control, or control in the directory of --state].
    #[arg(long, value_name = "PATH", conflicts_with = "server")]
    pub(crate) control: Option<PathBuf>,

    /// The directory that the server was given with --state; the server of this one is asked first [default:
    /// /var/lib/netroot].
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(crate) state: Option<PathBuf>,

    /// Ask a server elsewhere, at the address of its [api], such as https://bootserver:8070.
    #[arg(long, value_name = "URL", requires = "token_file")]
    pub(crate) server: Option<HttpUrl>,

    /// With --server: the file with the token, on its first line.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) token_file: Option<PathBuf>,

    /// With --server: the certificate of the server or of its authority (PEM) [default: the system's authorities].
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) ca: Option<PathBuf>,
}

/// An answer that is none.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

/// Nothing listens where the server's socket would be. A server that is busy, or refuses, is another matter.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoServer(String);

impl ServerArgs {
    /// Sends a request, and returns the answer whose body is still to be read; each read waits for `patience`.
    ///
    /// # Errors
    /// [`NoServer`], and what the server refuses, in its own words.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        patience: Duration,
    ) -> Result<Answer> {
        let limit = Limit::Each(patience);
        let token = self.token()?;
        let path = format!("{PREFIX}{path}");
        let (connection, host) = match &self.server {
            None => (self.local(limit)?, "netroot".to_owned()),
            Some(url) => (elsewhere(url, self.ca.as_deref(), limit)?, url.place()),
        };
        let request = Request {
            method,
            path: &path,
            host: &host,
            token: token.as_deref(),
            body,
        };
        let mut answer = connection.request(&request).map_err(|error| {
            let cure = match &self.server {
                Some(url) => cure(&error, url, self.ca.as_deref()),
                None => None,
            };
            match cure {
                Some(cure) => anyhow!("cannot ask the server at {host}: {cure}"),
                None => anyhow!(error).context("cannot ask the server"),
            }
        })?;
        if answer.is_success() {
            return Ok(answer);
        }
        let text = answer.text(MOST).unwrap_or_default();
        if let (UNAUTHORIZED, Some(file)) = (answer.status, &self.token_file) {
            let file = file.display();
            bail!(
                "the token in {file} is not one of the server's: its first line must be a line of the file that token-file in the \
                 server's [api] names"
            );
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => bail!("{}", Printable(&refusal.error)),
            Err(_) => bail!(
                "the server answers with status {}; is it netroot's API?",
                answer.status
            ),
        }
    }

    /// What the server answers, as JSON.
    ///
    /// # Errors
    /// As [`ServerArgs::ask`].
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<T> {
        let mut answer = self.ask(method, path, body, PATIENCE)?;
        let text = answer
            .text(MOST)
            .context("cannot read the server's answer")?;
        serde_json::from_str(&text)
            .context("the server does not answer as this netroot expects; are both of one version?")
    }

    fn local(&self, limit: Limit) -> Result<Connection> {
        let mut refused = Vec::new();
        let mut is_certain = true;
        for place in self.places() {
            match Connection::unix(&place, limit) {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    is_certain &= matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    );
                    refused.push(why_not(&place, &error));
                }
            }
        }
        let why = format!(
            "cannot reach a running server: {}; is netroot serve running, and this command started by root or by the \
             user who started it? (its --control and --state must be named here, too)",
            refused.join(", ")
        );
        match is_certain {
            true => Err(NoServer(why).into()),
            false => Err(anyhow!(why)),
        }
    }

    /// Where to look for the server's socket, one after the other.
    fn places(&self) -> Vec<PathBuf> {
        let state = self.state.as_deref();
        let mut places =
            control_socket::places(self.control.as_deref(), state.unwrap_or(Path::new(STATE)));
        // Another server may have the usual place, and its state elsewhere.
        if state.is_some() {
            places.reverse();
        }
        places
    }

    fn token(&self) -> Result<Option<String>> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the token file {}", path.display()))?;
        let mut lines = text.lines().map(str::trim);
        let token = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let token = token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        match token {
            Some(token) => Ok(Some(token.to_owned())),
            None => bail!(
                "the token file {} has no token on its first line",
                path.display()
            ),
        }
    }
}

fn elsewhere(url: &HttpUrl, ca: Option<&Path>, limit: Limit) -> Result<Connection> {
    let addresses = url
        .addresses()
        .with_context(|| format!("cannot find the address of {}", url.host))?;
    let config = url.tls.then(|| tls(ca)).transpose()?;
    let tls = config.map(|config| (config, url.host.as_str()));
    Connection::tcp(&addresses, tls, limit)
        .with_context(|| format!("cannot connect to {}", url.place()))
}

/// What is wrong between a client and a server that is reached, and what to do.
fn cure(error: &std::io::Error, url: &HttpUrl, ca: Option<&Path>) -> Option<String> {
    if !url.tls {
        let is_tls = error.kind() == ErrorKind::InvalidData;
        return is_tls.then(|| {
            format!(
                "what it answers is no HTTP; if its [api] has a certificate: https://{}",
                url.place()
            )
        });
    }
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(wrong) = error else {
        return matches!(error, rustls::Error::InvalidMessage(_)).then(|| {
            format!(
                "it does not speak TLS; without a certificate in its [api] it is http://{}",
                url.place()
            )
        });
    };
    let host = &url.host;
    Some(match (wrong, ca) {
        (CertificateError::UnknownIssuer | CertificateError::BadSignature, Some(ca)) => format!(
            "its certificate is not the one in {}, and that authority did not sign it; name the server's own, or its authority's: \
             --ca FILE",
            ca.display()
        ),
        (CertificateError::UnknownIssuer | CertificateError::BadSignature, None) => {
            "its certificate is of an authority that this host does not know; name the server's certificate, or its authority's: \
             --ca FILE"
                .to_owned()
        }
        (
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            _,
        ) => format!(
            "its certificate is not for {host}; ask it by a name or an address that is in its certificate (subjectAltName)"
        ),
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, _) => {
            "its certificate has expired, or the clock of this host is wrong; renew it".to_owned()
        }
        _ => return None,
    })
}

fn why_not(place: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("there is no {}", place.display()),
        ErrorKind::ConnectionRefused => format!("nobody listens at {}", place.display()),
        _ => format!("{}: {error}", place.display()),
    }
}

/// The next line of an answer; empty at the end. While it is waited for, `waiting` is told for how long; at most for `most`.
///
/// # Errors
/// The connection's, or it took too long.
pub(crate) fn next_line(
    lines: &mut impl BufRead,
    most: Duration,
    waiting: impl Fn(Duration),
) -> Result<String> {
    let began = Instant::now();
    let mut line = Vec::new();
    loop {
        match lines.read_until(b'\n', &mut line) {
            Ok(_) => return Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let waited = began.elapsed();
                if waited > most {
                    bail!("the server has said nothing for {} s", waited.as_secs());
                }
                waiting(waited);
            }
            Err(error) => return Err(error).context("cannot read the server's answer"),
        }
    }
}

/// Prints the server's answer as it is.
pub(crate) fn print_json(server: &ServerArgs, path: &str) -> Result<()> {
    let value: serde_json::Value = server.json("GET", path, None)?;
    println!("{}", crate::json::to_string(&value)?);
    Ok(())
}

/// The path of a machine, however it is named.
pub(crate) fn path_of(machine: &str) -> String {
    let mut path = "/machines/".to_owned();
    for byte in machine.bytes() {
        match byte {
            b':' | b'-' | b'.' | b'_' => path.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            // Writing to a `String` cannot fail.
            byte => drop(write!(path, "%{byte:02x}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_whose_state_is_named_is_asked_before_the_one_at_the_usual_place() {
        let of = |control: Option<&str>, state: Option<&str>| {
            let args = ServerArgs {
                control: control.map(PathBuf::from),
                state: state.map(PathBuf::from),
                ..ServerArgs::default()
            };
            args.places()
        };
        let usual = Path::new("/run/netroot-server/control");
        assert_eq!(
            of(None, None),
            [usual, Path::new("/var/lib/netroot/control")]
        );
        assert_eq!(of(None, Some("/b")), [Path::new("/b/control"), usual]);
        assert_eq!(of(Some("/c"), Some("/b")), [Path::new("/c")]);
    }

    #[test]
    fn a_server_that_is_busy_or_refuses_is_not_taken_for_none() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("control");
        let args = ServerArgs {
            control: Some(control.clone()),
            ..ServerArgs::default()
        };
        let is_absent = || {
            let asked = args.ask("GET", "/images", None, Duration::from_millis(50));
            asked.err().unwrap().is::<NoServer>()
        };
        assert!(is_absent());
        // It is never accepted.
        let listener = UnixListener::bind(&control).unwrap();
        assert!(!is_absent());
        // That one, which has waited since, and the next.
        let closed = std::thread::spawn(move || {
            for _ in 0..2 {
                drop(listener.accept());
            }
        });
        assert!(!is_absent());
        closed.join().unwrap();
        // The socket of one that was killed.
        assert!(is_absent());
        fs::remove_file(&control).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let below = ServerArgs {
            control: Some(folder.path().join("file/control")),
            ..ServerArgs::default()
        };
        let asked = below.ask("GET", "/images", None, PATIENCE);
        assert!(!asked.err().unwrap().is::<NoServer>());
    }

    #[test]
    fn a_connection_that_fails_comes_with_what_to_do() {
        use rustls::{CertificateError, Error, InvalidMessage};
        let of = |url: &str, error: Error, ca: Option<&str>| {
            let error = std::io::Error::new(ErrorKind::InvalidData, error);
            cure(&error, &url.parse().unwrap(), ca.map(Path::new)).unwrap_or_default()
        };
        let wrong = |error| Error::InvalidCertificate(error);
        let plain = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let https = "https://boot:8070";
        assert!(of(https, plain.clone(), None).ends_with("http://boot:8070"));
        assert!(of("http://boot:8070", plain, None).ends_with("https://boot:8070"));
        let unknown = || wrong(CertificateError::UnknownIssuer);
        assert!(of(https, unknown(), None).ends_with("--ca FILE"));
        assert!(of(https, unknown(), Some("/etc/own.pem")).contains("/etc/own.pem"));
        let name = wrong(CertificateError::NotValidForName);
        assert!(of(https, name, None).contains("not for boot"));
    }

    #[test]
    fn a_token_is_the_first_line_that_is_no_comment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let args = ServerArgs {
            token_file: Some(path.clone()),
            ..ServerArgs::default()
        };
        assert!(
            args.token()
                .unwrap_err()
                .to_string()
                .contains("cannot read the token file")
        );
        fs::write(&path, "# ours\n\n 0123456789abcdef \nanother\n").unwrap();
        assert_eq!(args.token().unwrap().as_deref(), Some("0123456789abcdef"));
        fs::write(&path, "two words\n").unwrap();
        assert!(
            args.token()
                .unwrap_err()
                .to_string()
                .contains("has no token")
        );
    }

    #[test]
    fn every_name_is_one_part_of_a_path() {
        assert_eq!(path_of("52:54:00:12:34:56"), "/machines/52:54:00:12:34:56");
        assert_eq!(path_of("a/b c"), "/machines/a%2fb%20c");
    }
}
