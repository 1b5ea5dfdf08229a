//! Which events are repetitions: a flood of requests fills a counter and not a screen.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::event::Machine;

/// How many machines are remembered, and how many sentences about each.
const MACHINES: usize = 1024;
const SENTENCES: usize = 32;
/// How long a sentence about a machine is not repeated.
const NOT_REPEATED_FOR: Duration = Duration::from_secs(60);

/// What was logged of each machine lately. Bounded for each machine and in total: what does not fit counts as new, since
/// the limits of lines ([`super::line_limits`]) are what a flood is left to.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    hasher: RandomState,
    machines: HashMap<Machine, Vec<Logged>>,
}

/// The hash of a sentence, and when it was logged.
type Logged = (u64, Instant);

impl Repeats {
    /// Whether this is the first time within a minute, which is then remembered.
    pub(super) fn is_new(&mut self, machine: Machine, sentence: &str, now: Instant) -> bool {
        let recent = |(_, at): &Logged| now.duration_since(*at) < NOT_REPEATED_FOR;
        if self.machines.len() >= MACHINES && !self.machines.contains_key(&machine) {
            self.machines.retain(|_, logged| logged.iter().any(recent));
            if self.machines.len() >= MACHINES {
                return true;
            }
        }
        let hash = self.hasher.hash_one(sentence);
        let logged = self.machines.entry(machine).or_default();
        logged.retain(recent);
        if logged.iter().any(|(known, _)| *known == hash) {
            return false;
        }
        if logged.len() < SENTENCES {
            logged.push((hash, now));
        }
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
            repeats.is_new(machine(number), sentence, now)
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
        for number in 0..5000 {
            assert!(repeats.is_new(machine(number), "a", start));
        }
        assert_eq!(repeats.machines.len(), MACHINES);
        assert!(!repeats.is_new(machine(1), "a", start));
        let later = start + NOT_REPEATED_FOR;
        assert!(repeats.is_new(machine(5000), "a", later));
        assert_eq!(repeats.machines.len(), 1);
    }

    #[test]
    fn a_flood_of_sentences_about_one_machine_is_bounded_and_hides_nothing_of_another() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        for number in 0..5000 {
            assert!(repeats.is_new(machine(1), &number.to_string(), start));
        }
        assert_eq!(repeats.machines[&machine(1)].len(), SENTENCES);
        assert!(repeats.is_new(machine(2), "0", start));
        assert!(!repeats.is_new(machine(2), "0", start));
    }
}
