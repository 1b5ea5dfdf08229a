//! READDIRPLUS replies of the last moments. It takes four system calls for each entry to make one, and machines that boot
//! together ask for the same ones.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

use crate::tree::handle::Handle;

/// How old a reply may be, and so the attributes of the entries in it. Clients keep attributes for seconds.
const AGE: Duration = Duration::from_millis(100);

/// The most replies, and those that one client may have had made; each has 64 KiB at most.
const MOST: usize = 32;
const MOST_OF_CLIENT: usize = 8;

/// A directory that has changed within this time may change again without another time stamp: on kernels whose clock for
/// files ticks every few milliseconds, and on vfat and exFAT, which keep times of two seconds.
const SETTLED: Duration = Duration::from_secs(3);

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
    client: IpAddr,
    made: Instant,
    reply: Arc<[u8]>,
}

/// The replies, of all clients.
#[derive(Debug, Default)]
pub(crate) struct RecentListings(Mutex<Vec<Listing>>);

impl RecentListings {
    /// The reply to the same question, if it is recent.
    pub(crate) fn find(&self, question: &Question) -> Option<Arc<[u8]>> {
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|listing| listing.made.elapsed() < AGE);
        let mut known = listings.iter();
        let found = known.find(|listing| listing.question == *question)?;
        Some(Arc::clone(&found.reply))
    }

    /// Drops the replies that are too old.
    pub(crate) fn drop_old(&self) {
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|listing| listing.made.elapsed() < AGE);
    }

    /// Keeps a reply to a client that was begun at `made`, in place of the client's oldest one or the oldest one. `directory`
    /// has its times.
    pub(crate) fn keep(
        &self,
        (client, question): (IpAddr, Question),
        directory: &Stat,
        made: Instant,
        reply: &[u8],
    ) {
        let changed = [
            (directory.st_mtime, directory.st_mtime_nsec),
            (directory.st_ctime, directory.st_ctime_nsec),
        ];
        if !changed.into_iter().all(is_settled) {
            return;
        }
        let reply = Arc::from(reply);
        let new = Listing {
            question,
            client,
            made,
            reply,
        };
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|old| old.made.elapsed() < AGE && old.question != question);
        let of_client = || listings.iter().filter(|old| old.client == client);
        if of_client().count() >= MOST_OF_CLIENT {
            let oldest = listings.iter().position(|old| old.client == client);
            listings.remove(oldest.unwrap_or(0));
        } else if listings.len() >= MOST {
            listings.remove(0);
        }
        listings.push(new);
    }
}

/// Whether this time, in seconds since 1970 and nanoseconds, is past.
fn is_settled((seconds, nanoseconds): (i64, u64)) -> bool {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let changed = UNIX_EPOCH + seconds + Duration::from_nanos(nanoseconds);
    // A time in the future says nothing.
    SystemTime::now()
        .duration_since(changed)
        .is_ok_and(|age| age > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

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
        listings.keep((ONE, question(1, 0)), &changed(1000), now, b"reply");
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
            listings.keep((ONE, question(1, 0)), &changed(seconds), now, b"reply");
            assert!(listings.find(&question(1, 0)).is_none());
        }
    }

    #[test]
    fn a_time_is_past_to_the_nanosecond() {
        let age = |age: Duration| {
            let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - age;
            let seconds = i64::try_from(then.as_secs()).unwrap();
            is_settled((seconds, then.subsec_nanos().into()))
        };
        let less = Duration::from_millis(500);
        // Unless this machine is too busy.
        let now = Instant::now();
        assert!(!age(SETTLED - less) || now.elapsed() >= less);
        assert!(age(SETTLED + less));
    }

    #[test]
    fn so_many_are_kept_and_a_few_of_one_client() {
        let listings = RecentListings::default();
        let count = || listings.0.lock().unwrap().len();
        for cookie in 0..200 {
            let client = IpAddr::from([10, 0, 0, u8::try_from(cookie / 20).unwrap()]);
            let question = question(cookie, 0);
            listings.keep((client, question), &changed(1000), Instant::now(), b"");
            assert!(count() <= MOST);
            assert!(cookie >= 20 || count() <= MOST_OF_CLIENT);
        }
        std::thread::sleep(AGE);
        listings.drop_old();
        assert_eq!(count(), 0);
    }
}
