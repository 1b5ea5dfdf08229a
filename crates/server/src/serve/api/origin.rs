//! Which requests come from a page of somebody else's in an administrator's browser.
//!
//! A page from anywhere can make a browser send requests here, and with a name of its own that points here (DNS rebinding) it could
//! read the answers. It cannot choose the headers `Host`, `Origin` and `Sec-Fetch-Site`.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A browser says that another site's page sends the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForeignPage {
    /// By a name that may be anybody's.
    #[error(
        "this server does not know the name {0:?} as its own: use its address, or name it in hosts of [api]"
    )]
    Host(String),
    /// From a page of another site.
    #[error("this request comes from a page of another site ({0})")]
    Site(String),
}

/// The names of this server.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnNames(Vec<String>);

impl OwnNames {
    /// The host's own, and those that are configured.
    pub(crate) fn new(configured: &[String]) -> Self {
        let own = rustix::system::uname();
        let own = own.nodename().to_string_lossy().into_owned();
        let names = configured.iter().cloned().chain([own]);
        Self(names.map(|name| name.to_ascii_lowercase()).collect())
    }

    /// # Errors
    /// [`ForeignPage`].
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ForeignPage> {
        let text = |name: &HeaderName| {
            let value = headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let host = text(&header::HOST).unwrap_or_default();
        // HTTP/1.0 has none, and no browser speaks it.
        if !host.is_empty() && !self.has(&host) {
            return Err(ForeignPage::Host(host));
        }
        if let Some(site) = text(&SEC_FETCH_SITE)
            && !matches!(site.as_str(), "same-origin" | "none")
        {
            return Err(ForeignPage::Site(site));
        }
        match text(&header::ORIGIN) {
            Some(origin) if !is_of(&origin, &host) => Err(ForeignPage::Site(origin)),
            _ => Ok(()),
        }
    }

    /// Whether `host`, perhaps with a port, is this server by a name that no stranger can have registered.
    fn has(&self, host: &str) -> bool {
        let (name, address) = match host.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((address, _)) => (address, address.parse::<IpAddr>().is_ok()),
            None => {
                let name = host.split_once(':').map_or(host, |(name, _)| name);
                (name, name.parse::<IpAddr>().is_ok())
            }
        };
        let name = name.to_ascii_lowercase();
        // RFC 6761, 6762, 8375; ICANN's reservation of 2024.
        let private = [".localhost", ".local", ".internal", ".home.arpa"];
        address
            || !name.contains('.')
            || private.iter().any(|suffix| name.ends_with(suffix))
            || self.0.contains(&name)
    }
}

/// Whether an origin (`http://host:port`) is the one that the request is for.
fn is_of(origin: &str, host: &str) -> bool {
    let place = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    place.is_some_and(|place| place.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(headers: &[(&'static str, &str)]) -> Result<(), ForeignPage> {
        let names = OwnNames(vec!["boot.example.org".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        names.check(&map)
    }

    #[test]
    fn a_host_is_an_address_or_a_name_that_no_stranger_can_have() {
        for host in [
            "10.0.0.1:8069",
            "10.0.0.1",
            "[fd00::1]:8069",
            "localhost:8069",
            "bootserver",
            "bootserver.local:8069",
            "pxe.home.arpa",
            "BOOT.example.org:8070",
        ] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check(&[]), Ok(()));
        for host in [
            "evil.example.com:8069",
            "10.0.0.1.example.com",
            "local.example",
            "[x.y]:1.",
        ] {
            check(&[("host", host)]).unwrap_err();
        }
        let said = check(&[("host", "evil.example.com")])
            .unwrap_err()
            .to_string();
        assert!(said.contains("\"evil.example.com\""), "{said}");
    }

    #[test]
    fn a_page_of_another_site_is_refused_whatever_it_asks_for() {
        let host = ("host", "10.0.0.1:8069");
        for more in [
            ("origin", "http://10.0.0.1:8069"),
            ("origin", "https://10.0.0.1:8069"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(check(&[host, more]), Ok(()), "{more:?}");
        }
        for more in [
            ("origin", "http://10.0.0.1:8070"),
            ("origin", "http://evil.example.com"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            check(&[host, more]).unwrap_err();
        }
    }
}
