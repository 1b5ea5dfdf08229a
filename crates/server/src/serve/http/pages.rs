//! The pages that the server makes of its own state: made for all who ask within a moment, and charged to each.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use netroot_limits::{ByteBudget, Charge};

use crate::serve::reports::BODY;

/// How long a page is shown as it was made. No more than four a second are made, however many ask.
const FRESH: Duration = Duration::from_millis(250);
/// Bytes of pages that are held for one client, and for all. A page has at most some 500 kB ([`crate::serve::reports`]).
const HELD_EACH: usize = 1 << 20;
const HELD: usize = 8 << 20;
/// The same for the bodies of requests: two reports of one client, which is more than a machine sends at once, and 64 in
/// all.
const BODIES_EACH: usize = 2 * BODY;
const BODIES: usize = 64 * BODY;

/// A page that is made anew when it is asked for and no longer fresh.
#[derive(Debug, Default)]
struct Page(Mutex<Option<(Instant, Bytes)>>);

impl Page {
    /// The page, by `make` if the last one is not fresh.
    fn get(&self, now: Instant, make: impl FnOnce() -> String) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, page)) = &*last
            && now.duration_since(*made) < FRESH
        {
            return page.clone();
        }
        let page = Bytes::from(make());
        *last = Some((now, page.clone()));
        page
    }
}

/// `/`, `/status` and `/metrics`, and what is held of them and of bodies.
#[derive(Debug)]
pub(crate) struct Pages {
    text: Page,
    json: Page,
    metrics: Page,
    held: Arc<ByteBudget>,
    bodies: Arc<ByteBudget>,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            text: Page::default(),
            json: Page::default(),
            metrics: Page::default(),
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
    fn charged(&self, client: IpAddr, bytes: Bytes) -> Option<Bytes> {
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
    fn a_page_is_made_once_for_all_who_ask_within_a_moment() {
        let page = Page::default();
        let start = Instant::now();
        let made = |after, text: &str| {
            let now = start + Duration::from_millis(after);
            page.get(now, || text.to_owned())
        };
        assert_eq!(made(0, "first"), "first");
        assert_eq!(made(249, "second"), "first");
        assert_eq!(made(250, "third"), "third");
    }

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
