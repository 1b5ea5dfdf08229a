//! Which events are repetitions: a flood of requests fills a counter and not a screen.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::event::Machine;

/// How many (machine, sentence) pairs are remembered.
const REMEMBERED: usize = 1024;
/// How long a sentence about a machine is not repeated.
const NOT_REPEATED_FOR: Duration = Duration::from_secs(60);

/// What was logged of each machine lately. Bounded: beyond that, new sentences count as repetitions.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<(Machine, String), Instant>);

impl Repeats {
    /// Whether this is the first time within a minute, which is then remembered.
    pub(super) fn is_new(&mut self, machine: Machine, sentence: String, now: Instant) -> bool {
        let recent = |at: &Instant| now.duration_since(*at) < NOT_REPEATED_FOR;
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, at| recent(at));
        }
        let key = (machine, sentence);
        if self.0.get(&key).is_some_and(recent) || self.0.len() >= REMEMBERED {
            return false;
        }
        self.0.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn machine(number: u32) -> Machine {
        Machine::Address(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn a_sentence_about_a_machine_is_new_once_a_minute() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut is_new = |number, sentence: &str, seconds| {
            let now = start + Duration::from_secs(seconds);
            repeats.is_new(machine(number), sentence.to_owned(), now)
        };
        assert!(is_new(1, "a", 0));
        assert!(!is_new(1, "a", 59));
        assert!(is_new(1, "b", 59), "another sentence");
        assert!(is_new(2, "a", 59), "another machine");
        assert!(is_new(1, "a", 60));
        assert!(!is_new(1, "a", 119));
    }

    #[test]
    fn a_flood_of_machines_is_bounded_and_forgotten_after_a_minute() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut logged = 0;
        for number in 0..5000 {
            logged += usize::from(repeats.is_new(machine(number), String::new(), start));
        }
        assert_eq!((logged, repeats.0.len()), (REMEMBERED, REMEMBERED));
        let later = start + NOT_REPEATED_FOR;
        assert!(repeats.is_new(machine(1), String::new(), later));
        assert_eq!(repeats.0.len(), 1);
    }
}
