//! `http://` and `https://` URLs, as far as this program asks for them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// A URL of a host, a port, a path and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    /// Whether by TLS.
    pub(crate) tls: bool,
    /// The host: an address without brackets, or a name.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The path and the query, from the first slash on.
    pub(crate) path: String,
}

/// Why it is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// Neither `http://` nor `https://`.
    #[error("expected a URL that begins with http:// or https://")]
    Scheme,
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

impl FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(HttpUrlError::Scheme),
        };
        let odd = |c: &char| !c.is_ascii_graphic() || matches!(c, '@' | '#' | '"' | '\\');
        if let Some(odd) = rest.chars().find(odd) {
            return Err(HttpUrlError::Character(odd));
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
                number.ok_or_else(|| HttpUrlError::Port(port.to_owned()))?
            }
            None => match tls {
                true => 443,
                false => 80,
            },
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if host.is_empty() || !(is_address || host.chars().all(in_name)) {
            return Err(HttpUrlError::Host(host.to_owned()));
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path,
        })
    }
}

impl HttpUrl {
    /// The host's address, if it needs no name service.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            host => host.parse().ok(),
        }
    }

    /// The host's addresses, from the name service if need be.
    ///
    /// # Errors
    /// The name service's.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        match self.address() {
            Some(address) => Ok(vec![SocketAddr::new(address, self.port)]),
            None => Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect()),
        }
    }

    /// Scheme, host and port: what nobody has to keep to himself.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.place())
    }

    /// Host and port, as the header `Host` has them.
    pub(crate) fn place(&self) -> String {
        let Self { host, port, .. } = self;
        match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_read_or_refused_with_the_part_that_is_wrong() {
        let read = |text: &str| text.parse::<HttpUrl>();
        for (text, shown) in [
            (
                "http://127.0.0.1:9000/assign",
                "http://127.0.0.1:9000/assign",
            ),
            ("http://localhost", "http://localhost:80/"),
            ("http://[::1]:9000/a?b=c", "http://[::1]:9000/a?b=c"),
            ("https://boot.example.org/", "https://boot.example.org:443/"),
            ("https://10.0.0.9:8443?x", "https://10.0.0.9:8443/?x"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), shown);
        }
        for (text, why) in [
            ("ftp://127.0.0.1/", "begins with http:// or https://"),
            ("127.0.0.1:9000", "begins with http:// or https://"),
            ("http://127.0.0.1:0/", "from 1 to 65535, not \"0\""),
            ("http://127.0.0.1:/", "from 1 to 65535, not \"\""),
            ("https:///assign", "not \"\""),
            ("https://user@host/", "'@' cannot be in it"),
            ("https://host/a b", "' ' cannot be in it"),
            ("https://h_st/", "not \"h_st\""),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_as_the_same(text in "https?://[a-z0-9.:\\[\\]-]{1,20}[/?]?[ -~]{0,20}") {
            if let Ok(url) = text.parse::<HttpUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
