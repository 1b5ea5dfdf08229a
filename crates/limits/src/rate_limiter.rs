//! Token buckets, one for each client and one for all.

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

/// How often something may happen, per key and in total. What exceeds a limit is counted, to be reported once the
/// limit allows it again. The keys are bounded: beyond that, those whose bucket is full again are forgotten first, and
/// new keys share one bucket while all others are busy.
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

/// What to do with one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen. `left_out` is how many of this key's were left out before it.
    Allowed {
        /// How many were left out since the last one that was allowed.
        left_out: u64,
    },
    /// It may not; it has been counted.
    LeftOut,
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

    /// One more of `key` at `now`, a time that never goes back.
    pub fn check(&mut self, key: Key, now: Duration) -> Verdict {
        if self.keys.len() >= self.most_keys && !self.keys.contains_key(&key) {
            self.keys.retain(|_, bucket| !bucket.is_idle(now));
        }
        let bucket = if self.keys.len() < self.most_keys || self.keys.contains_key(&key) {
            self.keys.entry(key).or_insert(Bucket::FULL)
        } else {
            &mut self.overflow
        };
        // A client over its own limit takes nothing from the others' total.
        if !bucket.has_token(self.each, now) || !self.total.has_token(self.total_rate, now) {
            bucket.left_out += 1;
            return Verdict::LeftOut;
        }
        bucket.take(self.each, now);
        self.total.take(self.total_rate, now);
        Verdict::Allowed {
            left_out: std::mem::take(&mut bucket.left_out),
        }
    }

    /// What was left out and may be reported now, by key (`None`: of the keys that did not fit); the counts start
    /// again. Call it from time to time, so that a client that has gone silent is reported too.
    pub fn take_left_out(&mut self, now: Duration) -> Vec<(Option<Key>, u64)>
    where
        Key: Clone,
    {
        let each = self.each;
        let mut all = Vec::new();
        for (key, bucket) in &mut self.keys {
            if bucket.left_out > 0 && bucket.has_token(each, now) {
                all.push((Some(key.clone()), std::mem::take(&mut bucket.left_out)));
            }
        }
        if self.overflow.left_out > 0 && self.overflow.has_token(each, now) {
            all.push((None, std::mem::take(&mut self.overflow.left_out)));
        }
        self.keys.retain(|_, bucket| !bucket.is_idle(now));
        all
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
    const ALLOWED: Verdict = Verdict::Allowed { left_out: 0 };

    #[test]
    fn a_burst_is_allowed_then_one_a_second_with_the_number_left_out() {
        let mut limiter = RateLimiter::new(EACH, TOTAL, 8);
        let start = Duration::from_secs(100);
        for _ in 0..3 {
            assert_eq!(limiter.check('a', start), ALLOWED);
        }
        for _ in 0..4 {
            assert_eq!(limiter.check('a', start), Verdict::LeftOut);
        }
        let later = start + EACH.every;
        assert_eq!(limiter.check('a', later), Verdict::Allowed { left_out: 4 });
        assert_eq!(limiter.check('a', later), Verdict::LeftOut);
    }

    #[test]
    fn one_client_does_not_use_up_the_total_of_the_others() {
        let mut limiter = RateLimiter::new(EACH, TOTAL, 8);
        let start = Duration::from_secs(100);
        for _ in 0..1000 {
            limiter.check('a', start);
        }
        assert_eq!(limiter.check('b', start), ALLOWED);
        assert_eq!(limiter.check('c', start), ALLOWED);
        assert_eq!(limiter.check('d', start), Verdict::LeftOut, "the total");
    }

    #[test]
    fn what_was_left_out_is_reported_when_the_client_is_silent() {
        let mut limiter = RateLimiter::new(EACH, TOTAL, 8);
        let start = Duration::from_secs(100);
        for _ in 0..10 {
            limiter.check('a', start);
        }
        assert!(limiter.take_left_out(start).is_empty());
        let later = start + Duration::from_secs(10);
        assert_eq!(limiter.take_left_out(later), [(Some('a'), 7)]);
        assert!(limiter.take_left_out(later).is_empty());
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
            limiter.check(key, start);
        }
        assert_eq!(limiter.keys.len(), 8);
        assert!(limiter.overflow.left_out > 900);
        let later = start + Duration::from_secs(60);
        assert_eq!(limiter.check(5000, later), ALLOWED);
    }
}
