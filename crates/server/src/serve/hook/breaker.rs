//! A hook that does not answer is left alone for a while: a dead one must not cost every boot its deadline. Pure.

use std::time::Duration;

/// After so many failures without a success between them it is left alone.
const FAILURES: u32 = 3;
/// For how long at first, and at most: each time twice as long.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(160);
/// How often a failure is told that changes nothing.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Whether the hook is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is.
    Closed,
    /// It is not, for so long.
    Open {
        /// How long.
        left_for: Duration,
    },
}

/// Counts failures. Times are of one clock that never goes back.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Until when nobody is asked, and how long that is.
    open: Option<(Duration, Duration)>,
    /// Since when one request tries whether it works again.
    probing: Option<Duration>,
    told: Option<Duration>,
}

impl Breaker {
    /// Whether the hook may be asked `now`. Once its time is over, one request tries it, and others wait for what comes of that.
    pub(super) fn may_ask(&mut self, now: Duration) -> bool {
        let Some((until, _)) = self.open else {
            return true;
        };
        // Whoever tried is gone.
        let probed = self.probing.is_some_and(|since| now < since + FIRST);
        if now < until || probed {
            return false;
        }
        self.probing = Some(now);
        true
    }

    /// It was asked. What it is from now on, if that is something else than before.
    pub(super) fn asked(&mut self, works: bool, now: Duration) -> Option<State> {
        let was_open = self.open;
        self.probing = None;
        if works {
            *self = Self {
                told: self.told,
                ..Self::default()
            };
            return was_open.map(|_| State::Closed);
        }
        self.failures = self.failures.saturating_add(1);
        let left_for = match was_open {
            // Of a request that was on its way when it was left alone.
            Some((until, _)) if now < until => return None,
            Some((_, last)) => (last * 2).min(LONGEST),
            None if self.failures >= FAILURES => FIRST,
            None => return None,
        };
        self.open = Some((now + left_for, left_for));
        self.told = Some(now);
        Some(State::Open { left_for })
    }

    /// Whether a failure is told `now`, beside those by which it is left alone.
    pub(super) fn may_tell(&mut self, now: Duration) -> bool {
        let may = self.told.is_none_or(|told| now >= told + TELL_EVERY);
        if may {
            self.told = Some(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn after_three_failures_it_is_left_alone_and_then_tried_by_one() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.asked(false, at(0)), None);
        assert_eq!(breaker.asked(true, at(0)), None);
        for second in 1..3 {
            assert!(breaker.may_ask(at(second)));
            assert_eq!(breaker.asked(false, at(second)), None);
        }
        let open = breaker.asked(false, at(3));
        assert_eq!(open, Some(State::Open { left_for: FIRST }));
        // Two that were on their way.
        assert_eq!(breaker.asked(false, at(3)), None);
        assert!(!breaker.may_ask(at(12)));
        assert!(breaker.may_ask(at(13)));
        assert!(!breaker.may_ask(at(13)), "one tries");
        let open = breaker.asked(false, at(14));
        assert_eq!(
            open,
            Some(State::Open {
                left_for: 2 * FIRST
            })
        );
        assert!(!breaker.may_ask(at(33)) && breaker.may_ask(at(34)));
        assert_eq!(breaker.asked(true, at(34)), Some(State::Closed));
        assert!(breaker.may_ask(at(34)) && breaker.may_ask(at(34)));
    }

    #[test]
    fn it_is_never_left_alone_for_good() {
        let mut breaker = Breaker::default();
        let mut now = Duration::ZERO;
        for _ in 0..40 {
            while !breaker.may_ask(now) {
                now += at(1);
            }
            if let Some(State::Open { left_for }) = breaker.asked(false, now) {
                assert!(left_for <= LONGEST);
            }
        }
        // One that tried and was never heard of again.
        while !breaker.may_ask(now) {
            now += at(1);
        }
        assert!(!breaker.may_ask(now));
        assert!(breaker.may_ask(now + FIRST));
    }

    #[test]
    fn the_same_failure_is_told_once_a_minute() {
        let mut breaker = Breaker::default();
        assert!(breaker.may_tell(at(0)) && !breaker.may_tell(at(59)) && breaker.may_tell(at(60)));
    }
}
