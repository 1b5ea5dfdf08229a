//! The tests that run, and whether there is room for one more.

use std::time::{Duration, Instant};

use super::one_test::Test;
use super::processors::number_of_processors;

/// How many of the tests that wait for minutes run at a time, even if the processors are busy.
const WAITING_AT_LEAST: usize = 4;
/// The most tests at a time, for each processor.
const AT_MOST: usize = 6;
/// The memory that has to be free for one more: a test has one to four machines of half a gigabyte.
const MEMORY_MIB: u64 = 2560;
/// What a test takes of it that has just begun, so that its machines have not used it yet; and so much has to be free for
/// any test beside another.
const MEMORY_OF_ONE_MIB: u64 = 1024;
/// After so long its machines have.
const YOUNG: Duration = Duration::from_secs(60);

/// How many tests are running.
#[derive(Debug, Default)]
pub(super) struct Running {
    waiting: usize,
    others: usize,
    titles: Vec<(String, Instant)>,
}

impl Running {
    fn of(&mut self, test: &Test) -> &mut usize {
        match test.waits {
            true => &mut self.waiting,
            false => &mut self.others,
        }
    }

    pub(super) fn begins(&mut self, test: &Test) {
        *self.of(test) += 1;
        self.titles.push((test.title(), Instant::now()));
    }

    pub(super) fn ends(&mut self, test: &Test) {
        let count = self.of(test);
        *count = count.saturating_sub(1);
        let title = test.title();
        if let Some(place) = self.titles.iter().position(|(other, _)| *other == title) {
            self.titles.remove(place);
        }
    }

    /// What is waited for.
    pub(super) fn line(&self) -> String {
        let each = self.titles.iter().map(|(title, since)| {
            let seconds = since.elapsed().as_secs();
            format!("{title} for {seconds} s")
        });
        format!("running: {}", each.collect::<Vec<_>>().join(", "))
    }

    pub(super) fn all(&self) -> usize {
        self.waiting + self.others
    }

    /// The memory that those will still take that have just begun, in MiB.
    fn memory_to_come(&self) -> u64 {
        let young = self.titles.iter();
        let young = young.filter(|(_, since)| since.elapsed() < YOUNG).count();
        MEMORY_OF_ONE_MIB.saturating_mul(u64::try_from(young).unwrap_or(u64::MAX))
    }

    /// Whether `test` may start: `idle` if the processors have time for one more, and `memory` is free, in MiB.
    pub(super) fn leave_room_for(&self, test: &Test, idle: bool, memory: u64) -> bool {
        let left = memory.saturating_sub(self.memory_to_come());
        // One at a time whatever there is.
        if self.all() > 0 && left < MEMORY_OF_ONE_MIB {
            return false;
        }
        let idle = idle && left >= MEMORY_MIB;
        let processors = number_of_processors();
        let at_least = match test.waits {
            true => self.waiting < WAITING_AT_LEAST,
            false => self.others < processors,
        };
        at_least || (idle && self.all() < AT_MOST * processors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_waits_starts_on_busy_processors_and_another_one_when_they_are_idle() {
        let test = |waits| Test {
            program: std::path::PathBuf::new(),
            name: String::new(),
            waits,
            kernel: None,
        };
        let processors = number_of_processors();
        let busy = Running {
            waiting: WAITING_AT_LEAST - 1,
            others: processors,
            ..Running::default()
        };
        assert!(busy.leave_room_for(&test(true), false, MEMORY_MIB));
        assert!(!busy.leave_room_for(&test(false), false, MEMORY_MIB));
        assert!(busy.leave_room_for(&test(false), true, MEMORY_MIB) || processors == 1);
        assert!(!busy.leave_room_for(&test(false), true, MEMORY_MIB - 1));
        assert!(!busy.leave_room_for(&test(true), true, MEMORY_OF_ONE_MIB - 1));
        assert!(Running::default().leave_room_for(&test(true), false, 0));
        let mut just_begun = Running::default();
        just_begun.begins(&test(true));
        assert!(!just_begun.leave_room_for(&test(true), true, 2 * MEMORY_OF_ONE_MIB - 1));
        assert!(just_begun.leave_room_for(&test(true), false, 2 * MEMORY_OF_ONE_MIB));
        just_begun.ends(&test(true));
        assert!(just_begun.leave_room_for(&test(true), false, 0));
        let full = Running {
            waiting: WAITING_AT_LEAST,
            others: AT_MOST * processors,
            ..Running::default()
        };
        assert!(!full.leave_room_for(&test(true), true, u64::MAX));
        assert!(!full.leave_room_for(&test(false), true, u64::MAX));
    }
}
