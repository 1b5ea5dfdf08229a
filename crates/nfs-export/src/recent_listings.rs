//! READDIRPLUS replies of the last moments. It takes four system calls for each entry to make one, and machines that boot
//! together ask for the same ones.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

use crate::tree::handle::Handle;

/// How old a reply may be, and so the attributes of the entries in it. Clients keep attributes for seconds.
const AGE: Duration = Duration::from_millis(100);

/// The most replies; each has 64 KiB at most.
const MOST: usize = 32;

/// A directory that has changed within this time may change again without another time stamp, on kernels whose clock for
/// files ticks every few milliseconds.
const SETTLED: Duration = Duration::from_secs(1);

/// The size of attributes in a reply, in bytes.
pub(crate) const ATTRIBUTES: usize = 84;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) directory: Handle,
    pub(crate) cookie: u64,
    /// The most bytes of names, and in total.
    pub(crate) names: usize,
    pub(crate) total: usize,
    /// Whether the caller may know more than the names.
    pub(crate) may_search: bool,
    /// The directory's attributes now, as they are in a reply.
    pub(crate) attributes: [u8; ATTRIBUTES],
}

#[derive(Debug)]
struct Listing {
    question: Question,
    made: Instant,
    reply: Arc<[u8]>,
}

/// The replies, of all clients.
#[derive(Debug, Default)]
pub(crate) struct RecentListings(Mutex<Vec<Listing>>);

impl RecentListings {
    /// The reply to the same question, if it is recent.
    pub(crate) fn find(&self, question: &Question) -> Option<Arc<[u8]>> {
        let listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = listings.iter();
        let found = known.find(|listing| listing.question == *question)?;
        let recent = found.made.elapsed() < AGE;
        recent.then(|| Arc::clone(&found.reply))
    }

    /// Keeps a reply that was begun at `made`, in place of the oldest one. `directory` has its times.
    pub(crate) fn keep(&self, question: Question, directory: &Stat, made: Instant, reply: &[u8]) {
        if !is_settled(directory.st_mtime) || !is_settled(directory.st_ctime) {
            return;
        }
        let reply = Arc::from(reply);
        let new = Listing {
            question,
            made,
            reply,
        };
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|old| old.made.elapsed() < AGE && old.question != question);
        if listings.len() >= MOST {
            listings.remove(0);
        }
        listings.push(new);
    }
}

/// Whether this time, in seconds since 1970, is past.
fn is_settled(seconds: i64) -> bool {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    // A time in the future says nothing.
    SystemTime::now()
        .duration_since(UNIX_EPOCH + Duration::from_secs(seconds))
        .is_ok_and(|age| age > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(cookie: u64, attributes: u8) -> Question {
        Question {
            directory: Handle::from_bytes(b"directory").unwrap(),
            cookie,
            names: 1,
            total: 2,
            may_search: true,
            attributes: [attributes; ATTRIBUTES],
        }
    }

    fn changed(seconds: i64) -> Stat {
        let mut stat = rustix::fs::stat("/").unwrap();
        (stat.st_mtime, stat.st_ctime) = (seconds, seconds);
        stat
    }

    #[test]
    fn a_reply_is_for_the_same_question_about_an_unchanged_directory() {
        let (listings, now) = (RecentListings::default(), Instant::now());
        listings.keep(question(1, 0), &changed(1000), now, b"reply");
        let found = |cookie, attributes| listings.find(&question(cookie, attributes)).is_some();
        // Unless this machine is too busy.
        assert!(found(1, 0) || now.elapsed() >= AGE);
        assert!(!found(1, 1) && !found(2, 0));
        std::thread::sleep(AGE);
        assert!(!found(1, 0));
    }

    #[test]
    fn a_directory_that_has_just_changed_is_listed_again() {
        let (listings, now) = (RecentListings::default(), Instant::now());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(since.as_secs()).unwrap();
        for seconds in [seconds, seconds + 100] {
            listings.keep(question(1, 0), &changed(seconds), now, b"reply");
            assert!(listings.find(&question(1, 0)).is_none());
        }
    }

    #[test]
    fn so_many_are_kept() {
        let listings = RecentListings::default();
        for cookie in 0..100 {
            listings.keep(question(cookie, 0), &changed(1000), Instant::now(), b"");
        }
        assert!(listings.0.lock().unwrap().len() <= MOST);
    }
}
