//! Who uses an export, and when last: who runs from a root that was exchanged.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::coarse_time;

/// The most clients of one export that are remembered; of more, the one that has been silent for longest is forgotten.
const MOST: usize = 4096;
/// How exact the time of the last use is, in seconds.
const PACE: u64 = 4;

/// The clients of an export, with the second of their last use.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<HashMap<IpAddr, u64>>);

/// A client that uses an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportUser {
    /// Its address.
    pub client: IpAddr,
    /// How long it has made no call, within seconds.
    pub idle: Duration,
}

/// Who uses an export ([`Server::users`](crate::Server::users)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportUsers {
    /// The export's names.
    pub names: Vec<String>,
    /// [`Export::identity`](crate::Export::identity).
    pub identity: u32,
    /// Where its directory is: [`ExportOptions::original`](crate::ExportOptions::original).
    pub original: Option<PathBuf>,
    /// Whether it was replaced or taken away, and is kept for these.
    pub replaced: bool,
    /// The clients, in no order.
    pub users: Vec<ExportUser>,
}

/// How many clients a thread remembers that it has noted: by the ends of their addresses, so that neighbours have a place each.
const PLACES: usize = 64;

/// An export, its client, and the second of its last use.
type Noted = (u32, IpAddr, u64);

thread_local! {
    /// What this thread has noted: clients make thousands of calls in a second.
    static NOTED: [Cell<Option<Noted>>; PLACES] = const { [const { Cell::new(None) }; PLACES] };
}

/// Whether this thread has noted this use a moment ago; if not, it has now.
fn was_noted((export, client, now): Noted) -> bool {
    let [.., end] = match client {
        IpAddr::V4(client) => client.to_ipv6_mapped().octets(),
        IpAddr::V6(client) => client.octets(),
    };
    NOTED.with(|all| {
        let Some(place) = all.get(usize::from(end) % PLACES) else {
            return false;
        };
        let is_known =
            |(id, of, at): Noted| id == export && of == client && now.saturating_sub(at) < PACE;
        let was_noted = place.get().is_some_and(is_known);
        if !was_noted {
            place.set(Some((export, client, now)));
        }
        was_noted
    })
}

/// The second at which this host started. A use that is remembered from before it has a second, too.
const START: u64 = 10 * 365 * 24 * 3600;

/// Seconds since some time.
fn now() -> u64 {
    START.saturating_add(coarse_time::now().as_secs())
}

impl Users {
    /// This client uses the export with this identity now.
    pub(crate) fn note(&self, export: u32, client: IpAddr) {
        let now = now();
        if !was_noted((export, client, now)) {
            self.set(client.to_canonical(), now);
        }
    }

    /// A client used it that long ago, or later.
    pub(crate) fn remember(&self, user: ExportUser) {
        let at = now().saturating_sub(user.idle.as_secs());
        self.set(user.client.to_canonical(), at);
    }

    fn set(&self, client: IpAddr, at: u64) {
        let mut all = self.lock();
        let last = all.entry(client).or_insert(at);
        *last = at.max(*last);
        if all.len() > MOST
            && let Some(idlest) = all.iter().min_by_key(|(_, at)| **at).map(|(one, _)| *one)
        {
            all.remove(&idlest);
        }
    }

    /// How long a client has made no call; `None` if it is not among them.
    pub(crate) fn idle(&self, client: IpAddr) -> Option<Duration> {
        let last = self.lock().get(&client.to_canonical()).copied()?;
        Some(Duration::from_secs(now().saturating_sub(last)))
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<ExportUser> {
        let now = now();
        let all = self.lock();
        let user = |(client, at): (&IpAddr, &u64)| ExportUser {
            client: *client,
            idle: Duration::from_secs(now.saturating_sub(*at)),
        };
        all.iter().map(user).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn the_last_use_counts_and_the_idlest_of_too_many_is_forgotten() {
        let users = Users::default();
        let user = |number, seconds| ExportUser {
            client: client(number),
            idle: Duration::from_secs(seconds),
        };
        assert_eq!(users.idle(client(1)), None);
        users.remember(user(1, 500));
        users.remember(user(1, 900));
        let idle = users.idle(client(1)).unwrap();
        assert!((500..600).contains(&idle.as_secs()), "{idle:?}");
        users.note(7, client(1));
        assert!(users.idle(client(1)).unwrap() < Duration::from_secs(100));
        // The same by an IPv6 socket.
        let mapped = std::net::Ipv4Addr::from_bits(1).to_ipv6_mapped();
        assert!(users.idle(mapped.into()).is_some());
        users.remember(user(2, 5000));
        for number in 3..=u32::try_from(MOST).unwrap() + 1 {
            users.note(7, client(number));
        }
        assert_eq!((users.list().len(), users.idle(client(2))), (MOST, None));
    }

    #[test]
    fn a_use_that_was_noted_a_moment_ago_is_not_noted_again() {
        let noted = |export, number, second| was_noted((export, client(number), second));
        assert!(!noted(1, 100, 50));
        assert!(!noted(1, 101, 50), "its neighbour");
        assert!(noted(1, 100, 50 + PACE - 1) && noted(1, 101, 50));
        assert!(!noted(1, 100, 50 + PACE), "it is too long ago");
        assert!(!noted(2, 100, 50 + PACE), "another export");
        let same_place = 100 + u32::try_from(PLACES).unwrap();
        assert!(!noted(2, same_place, 50 + PACE));
        assert!(!noted(2, 100, 50 + PACE), "forgotten for that one");
    }
}
