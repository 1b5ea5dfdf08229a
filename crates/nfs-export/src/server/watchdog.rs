//! Finds event loops whose thread waits for something else than events, and gives them to another thread.
//!
//! No system call says before whether a name or attributes have to be read from a disk, or asked of another machine or a
//! program. Mostly they are in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::server::alarm::Alarm;
use crate::server::event_loop::EventLoop;
use crate::server::thread_states::ThreadStates;

/// How often it looks, as long as connections have turns. A turn that takes longer, but for one that computes, is one that waits.
const TICK: Duration = Duration::from_millis(2);

/// After so many looks without a turn it sleeps.
const QUIET: u32 = 25;

/// What was seen of a loop: the number of the term, and its turns.
type Seen = Option<(u64, u64)>;

/// Looks after these loops until [`Alarm::stop`].
pub(super) fn watch(alarm: &Alarm, loops: &[Arc<EventLoop>], states: &ThreadStates) {
    let mut all: Vec<(&Arc<EventLoop>, Seen)> = loops.iter().map(|one| (one, None)).collect();
    let mut quiet = 0;
    while alarm.tick(TICK) {
        quiet += 1;
        for (one, seen) in &mut all {
            let term = one.term();
            let now = term.as_ref().map(|term| (term.number, term.turns()));
            if now != *seen {
                (*seen, quiet) = (now, 0);
            } else if let (Some(term), Some((_, turns))) = (term, now)
                && is_within_turn(turns)
            {
                quiet = 0;
                if states.is_waiting(term.thread) {
                    one.take_over(&term, turns);
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

fn is_within_turn(turns: u64) -> bool {
    turns % 2 == 1
}
