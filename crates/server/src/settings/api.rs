//! How programs and people reach the server beside its Unix socket, and the web hook that it asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::http_url::{HttpUrl, HttpUrlError};

/// `[api]` and `[hook]`. The Unix socket is there in any case ([`crate::Settings::control`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiSettings {
    /// The API over TCP.
    pub tcp: Option<TcpApiSettings>,
    /// Names by which browsers reach the page and the API, beside addresses, `localhost`, the host's own name, names without
    /// a dot, and those that nobody can register (`.local`, `.internal`, `.home.arpa`). Any other name in a request may be an attacker's
    /// that points here.
    pub hosts: Vec<String>,
    /// Who is asked what a machine boots, before the rules.
    pub hook: Option<HookSettings>,
}

/// The API over TCP: never without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpApiSettings {
    /// The address and port to listen at.
    pub listen: SocketAddr,
    /// The file with the tokens, one a line; empty lines and those that begin with `#` are none.
    pub token_file: PathBuf,
    /// The certificate; `None` for HTTP in plain text.
    pub tls: Option<TlsSettings>,
}

/// A certificate and its key. Both files may change while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate, and those between it and its authority's (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// A web hook that decides what a machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// What is asked.
    pub url: HookUrl,
    /// The authority of its certificate (PEM); `None` for the system's.
    pub ca: Option<PathBuf>,
    /// How long it may take, until the rules decide: [`HookSettings::DEADLINE`].
    pub deadline: Duration,
}

impl HookSettings {
    /// The usual deadline.
    pub const DEADLINE: Duration = Duration::from_millis(300);
}

/// `http://127.0.0.1:9000/assign`, or `https://` and any host. What is not encrypted stays on this machine: whoever
/// answers decides what machines boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookUrl(pub(crate) HttpUrl);

/// Why it is not a hook's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookUrlError {
    /// No URL.
    #[error("{0}, such as http://127.0.0.1:9000/assign")]
    Url(#[from] HttpUrlError),
    /// `http://` to another machine.
    #[error(
        "expected an address of this machine such as 127.0.0.1, or https://: what {0} answers over http could be \
         anybody's"
    )]
    NotLoopback(String),
}

impl FromStr for HookUrl {
    type Err = HookUrlError;

    fn from_str(text: &str) -> Result<Self, HookUrlError> {
        let url: HttpUrl = text.parse()?;
        match url.tls || url.address().is_some_and(|it| it.is_loopback()) {
            true => Ok(Self(url)),
            false => Err(HookUrlError::NotLoopback(url.host)),
        }
    }
}

impl std::fmt::Display for HookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_on_this_machine_or_is_reached_by_https() {
        let read = |text: &str| text.parse::<HookUrl>().map_err(|error| error.to_string());
        for good in [
            "http://127.0.0.1:9000/assign",
            "http://localhost/",
            "http://[::1]:9000/",
            "https://boot.example.org/assign",
        ] {
            read(good).unwrap();
        }
        for (text, why) in [
            (
                "ftp://127.0.0.1/",
                "expected a URL that begins with http:// or https://, such as",
            ),
            (
                "http://10.0.0.9:9000/",
                "what 10.0.0.9 answers over http could be anybody's",
            ),
            ("http://hook.example.org/", "what hook.example.org answers"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
