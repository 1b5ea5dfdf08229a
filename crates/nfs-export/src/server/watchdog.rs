//! Finds event loops whose thread waits for something else than events, and gives them to another thread.
//!
//! No system call says before whether a name or attributes have to be read from a disk, or asked of another machine or a
//! program. Mostly they are in memory.

use std::sync::Arc;
use std::time::Duration;

use rustix::thread::Pid;

use crate::server::alarm::Alarm;
use crate::server::event_loop::{EventLoop, Term};

/// How often it looks, as long as connections have turns. A turn that takes longer, but for one that computes, is one that waits.
const TICK: Duration = Duration::from_millis(2);

/// After so many looks without a turn it sleeps.
const QUIET: u32 = 25;

/// What was seen of a loop: the number of the term, and its turns.
type Seen = Option<(u64, u64)>;

/// Looks after these loops until [`Alarm::stop`].
pub(super) fn watch(alarm: &Alarm, loops: &[Arc<EventLoop>]) {
    let mut all: Vec<(&Arc<EventLoop>, Seen)> = loops.iter().map(|one| (one, None)).collect();
    let mut quiet = 0;
    while alarm.tick(TICK) {
        quiet += 1;
        for (one, seen) in &mut all {
            let term = one.term();
            let now = term.as_ref().map(|term| (term.number, term.turns()));
            if now != *seen {
                (*seen, quiet) = (now, 0);
            } else if let Some(term) = term
                && is_within_turn(&term)
            {
                quiet = 0;
                if is_waiting(term.thread) {
                    one.take_over(&term);
                }
            }
        }
        if quiet >= QUIET {
            alarm.sleep(|| {
                let mut loops = all.iter();
                loops.all(|(one, seen)| {
                    let term = one.term();
                    term.map(|term| (term.number, term.turns())) == *seen
                })
            });
            quiet = 0;
        }
    }
}

fn is_within_turn(term: &Term) -> bool {
    term.turns() % 2 == 1
}

/// Whether a thread of this process waits: one that does not have its turn on the processor only does not need another one in its
/// place. If that is not known, it does.
fn is_waiting(thread: Pid) -> bool {
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    let stat = std::fs::read_to_string(path);
    stat.map_or(true, |stat| state(&stat) != Some('R'))
}

/// The state of a thread (proc(5)), behind its name, which may hold anything.
fn state(stat: &str) -> Option<char> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::thread::gettid;

    use super::*;

    #[test]
    fn a_thread_that_computes_does_not_wait_and_one_that_sleeps_does() {
        assert!(!is_waiting(gettid()));
        let (tell, told) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(gettid()).unwrap();
            let _ = ends.recv();
        });
        let thread = told.recv().unwrap();
        // The test fails only by never ending.
        while !is_waiting(thread) {
            std::thread::yield_now();
        }
        drop(end);
        sleeper.join().unwrap();
        assert_eq!(state("7 (a) R (b) S 1"), Some('S'));
        assert_eq!(state("7"), None);
    }
}
