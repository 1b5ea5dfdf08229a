//! A faulty link with reproducible random numbers.

use std::collections::BTreeMap;
use std::time::Duration;

/// SplitMix64: sufficient, in ten lines.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True in `percent` of all calls.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }
}

/// A link's faults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    /// Added to each datagram at random, so it reorders too.
    pub(crate) jitter: Duration,
}

/// Datagrams in transit to a `T`.
#[derive(Debug)]
pub(crate) struct Link<T> {
    faults: Faults,
    latency: Duration,
    dice: Dice,
    in_flight: BTreeMap<(Duration, u64), (T, Vec<u8>)>,
    count: u64,
}

impl<T: Clone> Link<T> {
    pub(crate) fn new(seed: u64, latency: Duration, faults: Faults) -> Link<T> {
        Link {
            faults,
            latency,
            dice: Dice(seed),
            in_flight: BTreeMap::new(),
            count: 0,
        }
    }

    /// Sends a datagram at `now`, after `delay`.
    pub(crate) fn send(&mut self, now: Duration, delay: Duration, to: T, datagram: Vec<u8>) {
        if self.dice.percent(self.faults.loss_percent) {
            return;
        }
        let copies = if self.dice.percent(self.faults.duplicate_percent) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = self.faults.jitter.as_micros() as u64;
            let jitter = Duration::from_micros(self.dice.below(jitter));
            self.count += 1;
            let at = (now + delay + self.latency + jitter, self.count);
            self.in_flight.insert(at, (to.clone(), datagram.clone()));
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }

    /// The next datagram that has arrived by `now`.
    pub(crate) fn receive(&mut self, now: Duration) -> Option<(T, Vec<u8>)> {
        let entry = self.in_flight.first_entry()?;
        if entry.key().0 > now {
            None
        } else {
            Some(entry.remove())
        }
    }
}
