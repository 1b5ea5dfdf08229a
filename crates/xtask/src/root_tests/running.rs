//! The tests that run, and whether there is room for one more.

use std::time::{Duration, Instant};

use super::lanes::Lanes;
use super::one_test::{Load, Test};
use super::processors::number_of_processors;

/// How many of the tests that wait for minutes may begin at a time, even if the processors are busy. Their machines boot
/// first, and take next to nothing afterwards.
const WAITING_THAT_BEGIN: usize = 2;
/// How many of them run at a time, even if the processors are busy: where they are very busy, machines boot for minutes, and
/// all that begin meanwhile make it worse, until none of them boots in time. When processors are idle, more begin.
const WAITING_AT_LEAST: usize = 4;
/// After so long they wait.
const BEGINNING: Duration = Duration::from_secs(150);
/// How many of the tests without a machine run at a time, even if the processors are busy. They take next to nothing of
/// them; all at the end, they would leave the processors idle for minutes.
const PROGRAMS_AT_LEAST: usize = 2;
/// The most tests at a time, for each processor.
const AT_MOST: usize = 6;
/// The memory that has to be free for one more: a test has one to four machines of half a gigabyte.
const MEMORY_MIB: u64 = 2560;
/// What a test takes of it that has just begun, so that its machines have not used it yet; and so much has to be free for
/// any test beside another.
const MEMORY_OF_ONE_MIB: u64 = 1024;
/// After so long its machines have.
const YOUNG: Duration = Duration::from_secs(60);

/// The tests that run, each with when it began.
#[derive(Debug, Default)]
pub(super) struct Running(Vec<(Test, Instant)>);

impl Running {
    pub(super) fn begins(&mut self, test: &Test, now: Instant) {
        self.0.push((test.clone(), now));
    }

    pub(super) fn ends(&mut self, test: &Test) {
        if let Some(place) = self.0.iter().position(|(other, _)| other == test) {
            self.0.remove(place);
        }
    }

    /// How many there are of a kind.
    pub(super) fn with(&self, load: Load) -> usize {
        let of_kind = self.0.iter().filter(|(test, _)| test.load() == load);
        of_kind.count()
    }

    /// What is waited for.
    pub(super) fn line(&self) -> String {
        let each = self.0.iter().map(|(test, since)| {
            let seconds = since.elapsed().as_secs();
            format!("{} for {seconds} s", test.title())
        });
        format!("running: {}", each.collect::<Vec<_>>().join(", "))
    }

    pub(super) fn all(&self) -> usize {
        self.0.len()
    }

    /// How many began less than `limit` ago.
    fn younger_than(&self, limit: Duration, now: Instant, which: impl Fn(&Test) -> bool) -> usize {
        let young = self
            .0
            .iter()
            .filter(|(test, since)| now.saturating_duration_since(*since) < limit && which(test));
        young.count()
    }

    /// The memory that those will still take that have just begun, in MiB.
    fn memory_to_come(&self, now: Instant) -> u64 {
        let young = self.younger_than(YOUNG, now, |_| true);
        MEMORY_OF_ONE_MIB.saturating_mul(u64::try_from(young).unwrap_or(u64::MAX))
    }

    /// Whether `test` may start now: `lanes` are for tests with machines, for the others the processors are `idle`, and
    /// `memory` is free, in MiB.
    pub(super) fn leave_room_for(
        &self,
        test: &Test,
        now: Instant,
        (idle, lanes): (bool, &Lanes),
        memory: u64,
    ) -> bool {
        let left = memory.saturating_sub(self.memory_to_come(now));
        // One at a time whatever there is.
        if self.all() > 0 && left < MEMORY_OF_ONE_MIB {
            return false;
        }
        let processors = number_of_processors();
        let load = test.load();
        let at_least = match load {
            Load::Waits => {
                let beginning = self.younger_than(BEGINNING, now, |test| test.waits);
                beginning < WAITING_THAT_BEGIN && self.with(load) < WAITING_AT_LEAST
            }
            Load::Machines => self.with(load) < processors,
            Load::Programs => self.with(load) < PROGRAMS_AT_LEAST,
        };
        let one_more = match load {
            Load::Waits | Load::Programs => idle,
            Load::Machines => self.with(load) < lanes.number(),
        };
        at_least || (one_more && left >= MEMORY_MIB && self.all() < AT_MOST * processors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(waits: bool, name: &str) -> Test {
        Test {
            program: std::path::PathBuf::from("target/debug/deps/vm-0123"),
            name: name.to_owned(),
            waits,
            kernel: None,
        }
    }

    fn lanes(number: usize) -> Lanes {
        let mut lanes = Lanes::new(1);
        for in_use in 1..number {
            lanes.after_a_look(1.0, in_use);
        }
        lanes
    }

    /// So many of each kind, which began at `since`.
    fn running(waiting: usize, others: usize, since: Instant) -> Running {
        let waiting = (0..waiting).map(|number| test(true, &number.to_string()));
        let others = (0..others).map(|number| test(false, &number.to_string()));
        Running(waiting.chain(others).map(|test| (test, since)).collect())
    }

    #[test]
    fn a_test_that_waits_starts_on_busy_processors_and_another_one_when_they_are_idle() {
        let (began, processors) = (Instant::now(), number_of_processors());
        let later = began + BEGINNING;
        let (waiting, other) = (test(true, "waiting"), test(false, "other"));
        let busy = running(WAITING_THAT_BEGIN - 1, processors, began);
        let (few, more) = (Lanes::new(processors), lanes(processors + 1));
        assert!(busy.leave_room_for(&waiting, began, (false, &few), u64::MAX));
        assert!(!busy.leave_room_for(&other, began, (true, &few), u64::MAX));
        assert!(busy.leave_room_for(&other, later, (false, &more), MEMORY_MIB));
        assert!(!busy.leave_room_for(&other, later, (true, &more), MEMORY_MIB - 1));
        assert!(!busy.leave_room_for(&waiting, later, (true, &few), MEMORY_OF_ONE_MIB - 1));
        assert!(Running::default().leave_room_for(&waiting, began, (false, &few), 0));
        let full = running(WAITING_THAT_BEGIN, AT_MOST * processors, began);
        let many = lanes(2 * AT_MOST * processors);
        assert!(!full.leave_room_for(&waiting, began, (true, &many), u64::MAX));
        assert!(!full.leave_room_for(&other, later, (true, &many), u64::MAX));
    }

    #[test]
    fn more_that_wait_begin_once_the_first_ones_only_wait() {
        let began = Instant::now();
        let one_more = test(true, "one more");
        let busy = running(WAITING_THAT_BEGIN, number_of_processors(), began);
        let later = began + BEGINNING;
        for (now, may) in [(began, false), (later, true)] {
            let found = busy.leave_room_for(&one_more, now, (false, &lanes(1)), u64::MAX);
            assert_eq!(found, may);
        }
    }

    #[test]
    fn no_more_begin_on_busy_processors_than_may_wait_at_a_time() {
        let began = Instant::now();
        let (one_more, later) = (test(true, "one more"), began + 2 * BEGINNING);
        let busy = running(WAITING_AT_LEAST, 0, began);
        let few = lanes(1);
        assert!(!busy.leave_room_for(&one_more, later, (false, &few), u64::MAX));
        assert!(busy.leave_room_for(&one_more, later, (true, &few), u64::MAX));
    }

    #[test]
    fn tests_without_a_machine_run_beside_those_with_one() {
        let (began, processors) = (Instant::now(), number_of_processors());
        let other = |name: &str| Test {
            program: std::path::PathBuf::from("target/debug/deps/interop-0123"),
            ..test(false, name)
        };
        let mut busy = running(WAITING_AT_LEAST, processors, began);
        let few = lanes(processors);
        for number in 0..PROGRAMS_AT_LEAST {
            let one_more = other(&number.to_string());
            assert!(busy.leave_room_for(&one_more, began, (false, &few), u64::MAX));
            busy.begins(&one_more, began);
        }
        assert!(!busy.leave_room_for(&other("one more"), began, (false, &few), u64::MAX));
        // They do not keep machines out.
        busy.0.retain(|(test, _)| test.load() != Load::Machines);
        let machine = test(false, "machine");
        assert!(busy.leave_room_for(&machine, began, (false, &few), u64::MAX));
    }

    #[test]
    fn a_test_that_has_just_begun_has_not_taken_its_memory_yet() {
        let began = Instant::now();
        let first = test(true, "first");
        let mut running = Running::default();
        running.begins(&first, began);
        let may = |running: &Running, now, memory| {
            running.leave_room_for(&test(true, "second"), now, (false, &lanes(1)), memory)
        };
        assert!(!may(&running, began, 2 * MEMORY_OF_ONE_MIB - 1));
        assert!(may(&running, began, 2 * MEMORY_OF_ONE_MIB));
        assert!(may(&running, began + YOUNG, MEMORY_OF_ONE_MIB));
        running.ends(&first);
        assert!(may(&running, began, 0));
    }
}
