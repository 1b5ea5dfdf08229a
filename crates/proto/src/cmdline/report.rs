//! `netroot.report=`: where the boot report is sent.

use std::fmt;

use netroot_net::Endpoint;

use crate::address::read_host;
use crate::reading::Reading;

/// Where the boot report is sent: `http://host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportUrl {
    /// The server and its TCP port, 80 where none is written.
    pub server: Endpoint,
    /// What the request line names, path and query, starting with `/`. It holds no white
    /// space and no control character.
    pub path: String,
}

impl fmt::Display for ReportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.server.in_url(80), self.path)
    }
}

impl ReportUrl {
    pub(super) fn read(value: &str, reading: &mut Reading<'_>) -> Option<Self> {
        const NOT_SENT: &str = "it is not used";
        const SCHEME: &str = "http://";
        let scheme = value
            .get(..SCHEME.len())
            .filter(|s| s.eq_ignore_ascii_case(SCHEME));
        let Some(rest) = scheme.and_then(|_| value.get(SCHEME.len()..)) else {
            // TLS would be half of the init's size, and an initrd has no certificates.
            let expected = "a URL that begins with http://";
            reading.complain(0, expected, value, NOT_SENT);
            return None;
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let Some(server) = read_host(host) else {
            let expected = "an IPv4 address or a host name";
            reading.complain(SCHEME.len(), expected, authority, NOT_SENT);
            return None;
        };
        let number = match port {
            None | Some("") => Some(80),
            Some(digits) => digits.parse().ok().filter(|port| *port != 0),
        };
        let Some(port) = number else {
            let at = SCHEME.len() + host.len() + 1;
            reading.complain(
                at,
                "a port of 1 to 65535",
                port.unwrap_or_default(),
                NOT_SENT,
            );
            return None;
        };
        let path_position = SCHEME.len() + end;
        // A fragment is the reader's own and is never sent.
        let path = path.split('#').next().unwrap_or_default();
        let unfit = |c: char| !c.is_ascii_graphic();
        if let Some(at) = path.find(unfit) {
            let found = path.get(at..).unwrap_or_default();
            let expected = "printable ASCII characters without spaces";
            reading.complain(path_position + at, expected, found, NOT_SENT);
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self {
            server: Endpoint { host: server, port },
            path: format!("{slash}{path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::Complaint;

    fn read(value: &str) -> (Option<String>, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut reading = Reading::new("netroot.report", Some(value), &mut complaints);
        let url = ReportUrl::read(value, &mut reading);
        (url.map(|url| url.to_string()), complaints)
    }

    #[test]
    fn a_report_goes_to_an_http_server() {
        for (value, url) in [
            ("http://10.0.0.1", "http://10.0.0.1/"),
            (
                "http://10.0.0.1:8080/boot?x=1",
                "http://10.0.0.1:8080/boot?x=1",
            ),
            ("HTTP://boot.lab:80/a#b", "http://boot.lab/a"),
            ("http://boot.lab?x", "http://boot.lab/?x"),
        ] {
            assert_eq!(read(value), (Some(url.to_owned()), vec![]), "{value}");
        }
    }

    #[test]
    fn an_invalid_url_is_reported() {
        for (value, position) in [
            ("", 0),
            ("https://10.0.0.1/", 0),
            ("http://", 7),
            ("http://[fe80::1]/", 7),
            ("http://a@b/", 7),
            ("http://10.0.0.1:0/", 16),
            ("http://10.0.0.1:99999/", 16),
            ("http://10.0.0.1/a b", 17),
            ("http://10.0.0.1/\r\nHost: x", 16),
        ] {
            let (url, complaints) = read(value);
            assert_eq!(url, None, "{value}");
            assert_eq!(complaints[0].position, position, "{value}");
        }
    }
}
