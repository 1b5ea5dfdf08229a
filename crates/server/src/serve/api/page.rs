//! The page: one file, with its style and its script inside, that asks the API for everything that it shows.

use std::sync::LazyLock;

use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

const PAGE: &str = include_str!("page/page.html");

/// What a browser may do with the page: run its one script, use its one style, ask this server. It makes text of everything
/// that it shows (`require-trusted-types-for`: what would make HTML of it does not run).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |tag: &str| inline(tag).map(sha256_base64).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        hash("script"),
        hash("style")
    )
});

/// The page's bytes.
pub(crate) fn bytes() -> Bytes {
    Bytes::from_static(PAGE.as_bytes())
}

/// The page's headers.
pub(crate) fn headers(headers: &mut HeaderMap) {
    let mut insert = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(header::CONTENT_TYPE, "text/html; charset=utf-8");
    insert(header::CONTENT_SECURITY_POLICY, &POLICY);
    insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert(header::REFERRER_POLICY, "no-referrer");
    insert(header::CACHE_CONTROL, "no-cache");
    insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    insert(header::VARY, "Accept");
}

/// Whether a browser asks, and not `curl` or firmware: it names `text/html`.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    let mut accepted = accepted.iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| {
        value
            .split([',', ';'])
            .any(|kind| kind.trim() == "text/html")
    })
}

/// What is between `<tag>` and `</tag>`.
fn inline(tag: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

/// SHA-256 of the TLS provider.
fn sha256_base64(text: &str) -> String {
    let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() else {
        return String::new();
    };
    base64(suite.common.hash_provider.hash(text.as_bytes()).as_ref())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or_default();
            match at <= three.len() {
                true => text.extend(DIGITS.get(digit).map(|digit| char::from(*digit))),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_pages_own_script_and_style_and_nothing_else() {
        assert_eq!(
            sha256_base64(""),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
        assert_eq!(
            (base64(b"f"), base64(b"fo")),
            ("Zg==".to_owned(), "Zm8=".to_owned())
        );
        assert!(POLICY.starts_with("default-src 'none'; script-src 'sha256-"));
        assert!(!POLICY.contains("unsafe"));
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_makes_no_html_of_text() {
        for foreign in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
        let script = inline("script").unwrap();
        for html in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!script.contains(html), "{html}");
        }
        assert!(!PAGE.contains(" style=\"") && !PAGE.contains(" onclick="));
    }

    #[test]
    fn a_browser_gets_the_page_and_others_the_text() {
        let wanted = |accept: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            }
            is_wanted(&headers)
        };
        assert!(wanted(Some("text/html,application/xhtml+xml,*/*;q=0.8")));
        for other in [
            None,
            Some("*/*"),
            Some("text/plain"),
            Some("application/json"),
        ] {
            assert!(!wanted(other), "{other:?}");
        }
    }
}
