//! Token buckets, one for each client and one for all.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// A burst, and how it is refilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once.
    pub burst: u32,
    /// How long one more takes.
    pub every: Duration,
}

/// How often something may happen, per key and in total. What exceeds a limit is counted, to be reported. The keys are
/// bounded: beyond that, those whose bucket is full again are forgotten first, and new keys share one bucket while all
/// others are busy.
#[derive(Debug)]
pub struct RateLimiter<Key> {
    each: Rate,
    most_keys: usize,
    total: Bucket,
    total_rate: Rate,
    keys: HashMap<Key, Bucket>,
    /// The bucket of the keys that do not fit.
    overflow: Bucket,
}

/// What was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut<Key> {
    /// Of the keys that exceeded their own limit, those with the most first.
    pub keys: Vec<(Key, u64)>,
    /// Of all others: because of the limit in total, or because there are too many keys to count them each.
    pub others: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// When it is full again, in the caller's time.
    full_at: Duration,
    left_out: u64,
}

impl Bucket {
    const FULL: Self = Self {
        full_at: Duration::ZERO,
        left_out: 0,
    };

    /// Whether a token is left (the generic cell rate algorithm: one time instead of a level and a time).
    fn has_token(&self, rate: Rate, now: Duration) -> bool {
        let room = rate.every.saturating_mul(rate.burst.saturating_sub(1));
        rate.burst > 0 && self.full_at.saturating_sub(now) <= room
    }

    fn take(&mut self, rate: Rate, now: Duration) {
        self.full_at = self.full_at.max(now).saturating_add(rate.every);
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.full_at <= now && self.left_out == 0
    }
}

impl<Key: Eq + Hash> RateLimiter<Key> {
    /// Allows `each` for every key and `total` for all together; remembers at most `most_keys` keys.
    pub fn new(each: Rate, total: Rate, most_keys: usize) -> Self {
        Self {
            each,
            most_keys,
            total: Bucket::FULL,
            total_rate: total,
            keys: HashMap::new(),
            overflow: Bucket::FULL,
        }
    }

    /// Whether one more of `key` may happen at `now`, a time that never goes back. If not, it is counted.
    pub fn allows(&mut self, key: Key, now: Duration) -> bool {
        if self.keys.len() >= self.most_keys && !self.keys.contains_key(&key) {
            self.keys.retain(|_, bucket| !bucket.is_idle(now));
        }
        let bucket = if self.keys.len() < self.most_keys || self.keys.contains_key(&key) {
            self.keys.entry(key).or_insert(Bucket::FULL)
        } else {
            &mut self.overflow
        };
        // A client over its own limit takes nothing from the others' total.
        if !bucket.has_token(self.each, now) {
            bucket.left_out += 1;
            return false;
        }
        // Counted once for all, so that a flood of keys leaves no counts of its own in the table.
        if !self.total.has_token(self.total_rate, now) {
            self.total.left_out += 1;
            return false;
        }
        bucket.take(self.each, now);
        self.total.take(self.total_rate, now);
        true
    }

    /// Whether the limit for all together is used up at `now`.
    pub fn is_spent(&self, now: Duration) -> bool {
        !self.total.has_token(self.total_rate, now)
    }

    /// Whether `key` has exceeded its own limit at `now`.
    pub fn is_over(&self, key: &Key, now: Duration) -> bool {
        let bucket = self.keys.get(key);
        bucket.is_some_and(|bucket| !bucket.has_token(self.each, now))
    }

    /// What was left out since the last call; at most `most` keys are named. Call it from time to time: how often is how
    /// often a flood is reported.
    pub fn take_left_out(&mut self, most: usize, now: Duration) -> LeftOut<Key>
    where
        Key: Clone,
    {
        let take = |bucket: &mut Bucket| std::mem::take(&mut bucket.left_out);
        let counted = self
            .keys
            .iter_mut()
            .filter(|(_, bucket)| bucket.left_out > 0);
        let mut keys: Vec<(Key, u64)> = counted
            .map(|(key, bucket)| (key.clone(), take(bucket)))
            .collect();
        keys.sort_by_key(|(_, count)| Reverse(*count));
        let unnamed = keys.split_off(most.min(keys.len()));
        let unnamed: u64 = unnamed.into_iter().map(|(_, count)| count).sum();
        self.keys.retain(|_, bucket| !bucket.is_idle(now));
        LeftOut {
            keys,
            others: unnamed + take(&mut self.overflow) + take(&mut self.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Rate = Rate {
        burst: 3,
        every: Duration::from_secs(1),
    };
    const TOTAL: Rate = Rate {
        burst: 5,
        every: Duration::from_millis(500),
    };

    #[test]
    fn a_burst_is_allowed_then_one_a_second() {
        let mut limiter = RateLimiter::new(EACH, TOTAL, 8);
        let start = Duration::from_secs(100);
        for _ in 0..3 {
            assert!(limiter.allows('a', start));
        }
        for _ in 0..4 {
            assert!(!limiter.allows('a', start));
        }
        let later = start + EACH.every;
        assert!(limiter.is_over(&'a', start) && !limiter.is_over(&'a', later));
        assert!(limiter.allows('a', later));
        assert!(!limiter.allows('a', later));
        let left_out = limiter.take_left_out(9, later);
        assert_eq!((left_out.keys, left_out.others), (vec![('a', 5)], 0));
    }

    #[test]
    fn one_client_does_not_use_up_the_total_of_the_others() {
        let mut limiter = RateLimiter::new(EACH, TOTAL, 8);
        let start = Duration::from_secs(100);
        for _ in 0..1000 {
            limiter.allows('a', start);
        }
        assert!(limiter.allows('b', start));
        assert!(limiter.allows('c', start));
        assert!(!limiter.allows('d', start), "the total");
        assert!(limiter.is_spent(start) && !limiter.is_spent(start + TOTAL.every));
        let left_out = limiter.take_left_out(9, start);
        assert_eq!((left_out.keys, left_out.others), (vec![('a', 997)], 1));
    }

    #[test]
    fn those_with_the_most_left_out_are_named_and_then_forgotten() {
        let mut limiter = RateLimiter::new(EACH, Rate { burst: 99, ..EACH }, 8);
        let start = Duration::from_secs(100);
        let later = start + Duration::from_secs(10);
        for (key, times) in [('a', 5), ('b', 13), ('c', 9)] {
            for _ in 0..times {
                limiter.allows(key, start);
            }
        }
        let left_out = limiter.take_left_out(2, later);
        let named = vec![('b', 10), ('c', 6)];
        assert_eq!((left_out.keys, left_out.others), (named, 2));
        let nothing = limiter.take_left_out(2, later);
        assert_eq!((nothing.keys, nothing.others), (Vec::new(), 0));
        assert!(limiter.keys.is_empty());
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let total = Rate {
            burst: u32::MAX,
            every: Duration::ZERO,
        };
        let mut limiter = RateLimiter::new(EACH, total, 8);
        let start = Duration::from_secs(100);
        for key in 0..1000_u32 {
            limiter.allows(key, start);
        }
        assert_eq!(limiter.keys.len(), 8);
        assert!(limiter.overflow.left_out > 900);
        let later = start + Duration::from_secs(60);
        assert!(limiter.allows(5000, later));
    }
}
