//! A server's address or host name.

use std::fmt;
use std::net::IpAddr;

/// A server, by address or by host name. An IPv6 address is displayed without brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A host name, to be resolved through DNS.
    Name(String),
}

/// A server and a port, as in a URL: `10.0.0.1:8069`, `[2001:db8::1]:8069`, `boot.lan:80`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The server.
    pub host: Host,
    /// The TCP or UDP port.
    pub port: u16,
}

impl Host {
    /// As written in a URL and before a colon: an IPv6 address in brackets.
    #[must_use]
    pub fn in_url(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]"),
            host => host.to_string(),
        }
    }
}

impl Endpoint {
    /// As written in a URL whose scheme has this default port: the default port is omitted.
    #[must_use]
    pub fn in_url(&self, default_port: u16) -> String {
        if self.port == default_port {
            self.host.in_url()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.in_url(), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_as_in_a_url() {
        let written = |host, port| Endpoint { host, port }.to_string();
        let address = |text: &str| Host::Address(text.parse().unwrap());
        assert_eq!(written(address("10.0.0.1"), 8069), "10.0.0.1:8069");
        assert_eq!(written(address("2001:db8::1"), 80), "[2001:db8::1]:80");
        assert_eq!(
            written(Host::Name("boot.lan".to_owned()), 80),
            "boot.lan:80"
        );
        let default = |host| Endpoint { host, port: 80 }.in_url(80);
        assert_eq!(default(address("2001:db8::1")), "[2001:db8::1]");
        assert_eq!(default(address("10.0.0.1")), "10.0.0.1");
    }
}
