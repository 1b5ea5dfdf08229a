//! Something that is made for all who ask within a moment.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

/// How long it is shown as it was made. No more than four a second are made, however many ask.
const FRESH: Duration = Duration::from_millis(250);

/// What was made last, and when.
#[derive(Debug, Default)]
pub(crate) struct Fresh(Mutex<Option<(Instant, Bytes)>>);

impl Fresh {
    /// What was made last, or what `make` makes if that is too old.
    pub(crate) fn get(&self, now: Instant, make: impl FnOnce() -> String) -> Bytes {
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

    /// It has changed.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_for_all_who_ask_within_a_moment() {
        let page = Fresh::default();
        let start = Instant::now();
        let made = |after, text: &str| {
            let now = start + Duration::from_millis(after);
            page.get(now, || text.to_owned())
        };
        assert_eq!(made(0, "first"), "first");
        assert_eq!(made(249, "second"), "first");
        assert_eq!(made(250, "third"), "third");
        page.forget();
        assert_eq!(made(251, "fourth"), "fourth");
    }
}
