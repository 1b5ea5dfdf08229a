//! How programs and people reach the server beside its Unix socket, and the web hook that it asks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

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
pub struct HookUrl {
    /// Whether by TLS.
    pub(crate) tls: bool,
    /// The host: an address, or a name.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The path and the query, from the first slash on.
    pub(crate) path: String,
}

/// Why it is not a hook's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookUrlError {
    /// Neither `http://` nor `https://`.
    #[error("expected a URL such as http://127.0.0.1:9000/assign, or https://")]
    Scheme,
    /// `http://` to another machine.
    #[error(
        "expected an address of this machine such as 127.0.0.1, or https://: what {0} answers over http could be anybody's"
    )]
    NotLoopback(String),
    /// No host, or one with characters that no host has.
    #[error("expected a host's name or address, not {0:?}")]
    Host(String),
    /// Not a port.
    #[error("expected a port from 1 to 65535, not {0:?}")]
    Port(String),
    /// A user's name, a fragment, a space.
    #[error("expected only a host, a port, a path and a query; {0:?} cannot be in it")]
    Character(char),
}

impl FromStr for HookUrl {
    type Err = HookUrlError;

    fn from_str(text: &str) -> Result<Self, HookUrlError> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(HookUrlError::Scheme),
        };
        let odd = |c: &char| !c.is_ascii_graphic() || matches!(c, '@' | '#' | '"' | '\\');
        if let Some(odd) = rest.chars().find(odd) {
            return Err(HookUrlError::Character(odd));
        }
        let (place, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        // `[::1]:9000`, `[::1]`, `host:9000`, `host`.
        let (host, port) = match place.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port != 0);
                number.ok_or_else(|| HookUrlError::Port(port.to_owned()))?
            }
            None => match tls {
                true => 443,
                false => 80,
            },
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if host.is_empty() || !(is_address || host.chars().all(in_name)) {
            return Err(HookUrlError::Host(host.to_owned()));
        }
        let url = Self {
            tls,
            host: host.to_owned(),
            port,
            path,
        };
        match tls || url.address().is_some_and(|it| it.is_loopback()) {
            true => Ok(url),
            false => Err(HookUrlError::NotLoopback(url.host)),
        }
    }
}

impl HookUrl {
    /// The host's address, if it needs no name service.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            host => host.parse().ok(),
        }
    }
}

impl std::fmt::Display for HookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let Self {
            host, port, path, ..
        } = self;
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}{path}"),
            false => write!(f, "{scheme}://{host}:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HookUrl, String> {
        text.parse()
            .map_err(|error: HookUrlError| error.to_string())
    }

    #[test]
    fn a_hook_is_on_this_machine_or_is_reached_by_https() {
        for (text, shown) in [
            (
                "http://127.0.0.1:9000/assign",
                "http://127.0.0.1:9000/assign",
            ),
            ("http://localhost", "http://localhost:80/"),
            ("http://[::1]:9000/a?b=c", "http://[::1]:9000/a?b=c"),
            (
                "https://boot.example.org/assign",
                "https://boot.example.org:443/assign",
            ),
            ("https://10.0.0.9:8443?x", "https://10.0.0.9:8443/?x"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), shown);
        }
        for (text, why) in [
            ("ftp://127.0.0.1/", "expected a URL such as"),
            ("127.0.0.1:9000", "expected a URL such as"),
            (
                "http://10.0.0.9:9000/",
                "what 10.0.0.9 answers over http could be anybody's",
            ),
            ("http://hook.example.org/", "what hook.example.org answers"),
            ("http://127.0.0.1:0/", "from 1 to 65535, not \"0\""),
            ("http://127.0.0.1:/", "from 1 to 65535, not \"\""),
            ("https:///assign", "not \"\""),
            ("https://user@host/", "'@' cannot be in it"),
            ("https://host/a b", "' ' cannot be in it"),
            ("https://h_st/", "not \"h_st\""),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
