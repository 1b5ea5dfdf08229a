//! The hook's last word on each machine: what is made for a machine after its script agrees with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::Mac;

/// Of how many machines.
const KEPT: usize = 1024;
/// How long it is not asked again: a loader fetches a script more than once.
const FRESH: Duration = Duration::from_secs(5);

/// What the hook said.
#[derive(Debug, Default)]
pub(crate) struct HookWords(Mutex<HashMap<Mac, Said>>);

#[derive(Debug)]
struct Said {
    image: Option<String>,
    at: Instant,
}

impl HookWords {
    /// The image that it named for a machine.
    pub(crate) fn of(&self, mac: Mac) -> Option<String> {
        self.words().get(&mac)?.image.clone()
    }

    /// Whether it was asked about a machine just now.
    pub(crate) fn is_fresh(&self, mac: Mac, now: Instant) -> bool {
        let words = self.words();
        let said = words.get(&mac);
        said.is_some_and(|said| now.duration_since(said.at) < FRESH)
    }

    /// It has said, or not, what a machine boots.
    pub(crate) fn set(&self, mac: Mac, image: Option<String>, now: Instant) {
        let mut words = self.words();
        if words.len() >= KEPT && !words.contains_key(&mac) {
            let oldest = words.iter().min_by_key(|(_, said)| said.at);
            if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                words.remove(&oldest);
            }
        }
        words.insert(mac, Said { image, at: now });
    }

    fn words(&self) -> MutexGuard<'_, HashMap<Mac, Said>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_until_the_next_one_and_the_oldest_is_forgotten() {
        let (words, start) = (HookWords::default(), Instant::now());
        let mac = |number: u32| {
            let [_, b, c, d] = number.to_be_bytes();
            Mac([2, 0, 0, b, c, d])
        };
        words.set(mac(0), Some("debian".to_owned()), start);
        assert!(words.is_fresh(mac(0), start) && !words.is_fresh(mac(0), start + FRESH));
        assert_eq!(words.of(mac(0)).as_deref(), Some("debian"));
        words.set(mac(0), None, start);
        assert_eq!(words.of(mac(0)), None);
        for number in 1..3000 {
            words.set(
                mac(number),
                None,
                start + Duration::from_millis(number.into()),
            );
        }
        assert!(words.words().len() <= KEPT);
        assert!(!words.is_fresh(mac(0), start) && words.is_fresh(mac(2999), start + FRESH / 2));
    }
}
