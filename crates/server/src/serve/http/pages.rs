//! The pages that the server makes of its own state: made for all who ask within a moment, and charged to each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Bytes;
use netroot_limits::{ByteBudget, Charge};

use crate::serve::api::Fresh;
use crate::serve::reports::BODY;

/// Bytes of pages that are held for one client, and for all. A page has at most some 500 kB ([`crate::serve::reports`]), and
/// the list of all machines that are remembered some 700.
const HELD_EACH: usize = 2 << 20;
const HELD: usize = 8 << 20;
/// The same for the bodies of requests: two reports of one client, which is more than a machine sends at once, and 64 in
/// all.
const BODIES_EACH: usize = 2 * BODY;
const BODIES: usize = 64 * BODY;

/// `/`, `/status` and `/metrics`, and what is held of them and of bodies.
#[derive(Debug)]
pub(crate) struct Pages {
    text: Fresh,
    json: Fresh,
    metrics: Fresh,
    held: Arc<ByteBudget>,
    bodies: Arc<ByteBudget>,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            text: Fresh::default(),
            json: Fresh::default(),
            metrics: Fresh::default(),
            held: ByteBudget::new(HELD_EACH, HELD),
            bodies: ByteBudget::new(BODIES_EACH, BODIES),
        }
    }
}

impl Pages {
    /// `/` for `client`, by `make` if the last one is not fresh; `None` if the client holds too much already.
    pub(super) fn text(&self, client: IpAddr, make: impl FnOnce() -> String) -> Option<Bytes> {
        self.charged(client, self.text.get(Instant::now(), make))
    }

    /// `/status`, likewise.
    pub(super) fn json(&self, client: IpAddr, make: impl FnOnce() -> String) -> Option<Bytes> {
        self.charged(client, self.json.get(Instant::now(), make))
    }

    /// `/metrics`, likewise.
    pub(super) fn metrics(&self, client: IpAddr, make: impl FnOnce() -> String) -> Option<Bytes> {
        self.charged(client, self.metrics.get(Instant::now(), make))
    }

    /// Charges a body, as long as it may be, to `client` until the charge is dropped.
    pub(super) fn body(&self, client: IpAddr) -> Option<Charge> {
        self.bodies.charge(client, BODY)
    }

    /// The same bytes, charged until the last of them is with the kernel: a slow reader holds a page that nobody else
    /// reads any more.
    pub(super) fn charged(&self, client: IpAddr, bytes: Bytes) -> Option<Bytes> {
        let charge = self.held.charge(client, bytes.len())?;
        Some(Bytes::from_owner(Charged {
            bytes,
            _charge: charge,
        }))
    }
}

/// Bytes that are charged until they have been sent.
struct Charged {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_page_is_charged_until_its_last_copy_is_gone() {
        let pages = Pages::default();
        let client = Ipv4Addr::new(10, 0, 0, 1).into();
        let page = Bytes::from(vec![b'x'; HELD_EACH / 2]);
        let first = pages.charged(client, page.clone()).unwrap();
        let second = pages.charged(client, page.clone()).unwrap();
        assert!(pages.charged(client, page.clone()).is_none());
        assert!(
            pages
                .charged(Ipv4Addr::new(10, 0, 0, 2).into(), page)
                .is_some()
        );
        let rest = first.slice(1..);
        drop((first, second));
        assert_eq!(pages.held.charged(), HELD_EACH / 2);
        drop(rest);
        assert_eq!(pages.held.charged(), 0);
    }
}
