//! Waiting awake for the next call of clients that make one after the other.
//!
//! A thread that sleeps is woken by another processor, which takes as long as the whole answer to a GETATTR, and in a virtual machine or from
//! a deep sleep longer. So where the last calls came at once, the thread of an event loop looks for the next one for a moment
//! before it sleeps, as KVM does for a processor that halts (`halt_poll_ns`) and the kernel for a socket
//! (`net.core.busy_read`). It gives up its processor to whoever wants it each time it has looked, and gives up looking
//! where the calls of its clients take longer: [`Polling`] decides, [`Pollers`] bounds all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a call is waited for awake. In a local network the next one comes 20 to 80 µs after a reply.
const LONGEST: Duration = Duration::from_micros(100);
/// What a slow call costs, in quick ones: of five calls one is waited for in vain at most.
const SLOW_COSTS: i32 = 4;
/// As many quick calls are remembered. After that many in a row a client may be slow four times until it is slept for.
const REMEMBERED: i32 = 4 * SLOW_COSTS;
/// To give up the processor and to look takes 1 µs where nobody wants it. Who has it back only after so long shares it with
/// programs that run for a whole slice, 0.7 ms or more: they would pay for the waiting.
const DISPLACED: Duration = Duration::from_micros(200);
/// What that costs, in quick calls: a tenth of a second without waiting awake.
const DISPLACED_COSTS: i32 = 4096;

/// Whether the next call of the clients of a loop is waited for awake.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// One for each quick call, less [`SLOW_COSTS`] for each slow one and [`DISPLACED_COSTS`] where others want the processor.
    credit: i32,
}

impl Polling {
    /// A call came so long after the last one was answered.
    pub(super) fn called(&mut self, after: Duration) {
        self.credit = if after <= LONGEST {
            REMEMBERED.min(self.credit + 1)
        } else {
            // Never less than it was, if there was none.
            self.credit.min((self.credit - SLOW_COSTS).max(0))
        };
    }

    /// Others wanted the processor while a call was waited for awake.
    pub(super) fn displaced(&mut self) {
        self.credit -= DISPLACED_COSTS;
    }

    /// How long the next call is waited for awake.
    pub(super) fn longest(&self) -> Duration {
        if self.credit >= SLOW_COSTS {
            LONGEST
        } else {
            Duration::ZERO
        }
    }
}

/// The event loops of a server that wait awake.
#[derive(Debug)]
pub(super) struct Pollers {
    awake: AtomicUsize,
    most: usize,
}

/// One of them.
pub(super) struct Awake<'a> {
    pollers: &'a Pollers,
    until: Instant,
    looked: Instant,
}

/// What to do after every other thread had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// To look for the call again.
    Look,
    /// To sleep, since it has not come soon enough.
    Sleep,
    /// To sleep, since others want the processor.
    Displaced,
}

impl Awake<'_> {
    /// Gives every other thread its turn.
    pub(super) fn turn(&mut self) -> Turn {
        thread::yield_now();
        self.turn_at(Instant::now())
    }

    fn turn_at(&mut self, now: Instant) -> Turn {
        let took = now.duration_since(self.looked);
        self.looked = now;
        if took > DISPLACED {
            Turn::Displaced
        } else if now < self.until {
            Turn::Look
        } else {
            Turn::Sleep
        }
    }
}

impl Pollers {
    /// One processor is left for everything else. Where there is only one, it is waited for awake, too: a packet interrupts
    /// who waits, and a client on the same processor gets it after each look.
    pub(super) fn new() -> Self {
        Self::on(thread::available_parallelism().map_or(1, usize::from))
    }

    fn on(processors: usize) -> Self {
        Self::of_at_most(processors.saturating_sub(1).max(1))
    }

    /// So many of them at most.
    pub(super) fn of_at_most(most: usize) -> Self {
        Self {
            awake: AtomicUsize::new(0),
            most,
        }
    }

    /// A turn to wait awake, until it is dropped; `None` if `longest` is nothing, or if others have all of them.
    pub(super) fn enter(&self, longest: Duration) -> Option<Awake<'_>> {
        if longest.is_zero() {
            return None;
        }
        let now = Instant::now();
        let awake = Awake {
            pollers: self,
            until: now + longest,
            looked: now,
        };
        (self.awake.fetch_add(1, Ordering::Relaxed) < self.most).then_some(awake)
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        self.pollers.awake.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(40);
    const SLOW: Duration = Duration::from_micros(101);

    /// How many calls were waited for awake, and how many of those in vain.
    fn waits(polling: &mut Polling, calls: impl IntoIterator<Item = Duration>) -> (u32, u32) {
        let (mut awake, mut vain) = (0, 0);
        for after in calls {
            if !polling.longest().is_zero() {
                awake += 1;
                vain += u32::from(after > polling.longest());
            }
            polling.called(after);
        }
        (awake, vain)
    }

    #[test]
    fn a_quick_client_is_waited_for_awake_after_its_first_calls() {
        let mut polling = Polling::default();
        assert_eq!(waits(&mut polling, [QUICK; 4]), (0, 0));
        assert_eq!(waits(&mut polling, [QUICK; 100]), (100, 0));
    }

    #[test]
    fn a_slow_client_is_not_and_one_that_becomes_slow_only_a_few_times_more() {
        let mut polling = Polling::default();
        assert_eq!(waits(&mut polling, [SLOW; 1000]), (0, 0));
        waits(&mut polling, [QUICK; 1000]);
        assert_eq!(waits(&mut polling, [SLOW; 1000]), (4, 4));
        assert_eq!(waits(&mut polling, [QUICK; 5]), (1, 0));
    }

    #[test]
    fn whatever_a_client_does_one_call_in_five_is_waited_for_in_vain_at_most() {
        // Every pattern of twelve calls, for as long as it shows what it comes to.
        for pattern in 0..1_u32 << 12 {
            let mut polling = Polling::default();
            let calls = (0..12).map(|bit| if pattern >> bit & 1 == 1 { SLOW } else { QUICK });
            let (_, vain) = waits(&mut polling, calls.cycle().take(120));
            let quick = 10 * pattern.count_zeros() - 10 * 20;
            assert!(vain * 4 <= quick, "{pattern:012b}: {vain} and {quick}");
        }
    }

    #[test]
    fn where_others_want_the_processor_hardly_any_call_is() {
        let mut polling = Polling::default();
        let mut awake = 0;
        for _ in 0..10 * DISPLACED_COSTS {
            if !polling.longest().is_zero() {
                awake += 1;
                polling.displaced();
            }
            polling.called(QUICK);
        }
        assert_eq!(awake, 10);
        polling.displaced();
        polling.called(SLOW);
        assert!(polling.credit < 0, "no slow call makes up for it");
    }

    #[test]
    fn a_turn_that_took_long_was_somebody_elses() {
        let pollers = Pollers::of_at_most(1);
        let mut awake = pollers.enter(LONGEST).unwrap();
        let began = awake.looked;
        for micros in (1..100).step_by(9) {
            let now = began + Duration::from_micros(micros);
            assert_eq!(awake.turn_at(now), Turn::Look);
        }
        assert_eq!(awake.turn_at(began + LONGEST), Turn::Sleep);
        let late = began + LONGEST + DISPLACED + Duration::from_micros(1);
        assert_eq!(awake.turn_at(late), Turn::Displaced);
    }

    #[test]
    fn one_loop_waits_awake_on_a_single_processor_too() {
        for (processors, most) in [(1, 1), (2, 1), (8, 7)] {
            assert_eq!(Pollers::on(processors).most, most);
        }
    }

    #[test]
    fn no_more_than_a_few_loops_wait_awake() {
        let pollers = Pollers::of_at_most(2);
        let two = [(); 2].map(|()| pollers.enter(LONGEST));
        assert!(two.iter().all(Option::is_some));
        assert!(pollers.enter(LONGEST).is_none());
        assert!(pollers.enter(Duration::ZERO).is_none());
        drop(two);
        assert!(pollers.enter(LONGEST).is_some());
        assert!(Pollers::of_at_most(0).enter(LONGEST).is_none());
        assert_eq!(pollers.awake.load(Ordering::Relaxed), 0);
    }
}
