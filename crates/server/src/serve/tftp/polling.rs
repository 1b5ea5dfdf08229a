//! Waiting for a fast client awake.
//!
//! A processor that sleeps is woken by an interrupt, which takes tens of microseconds, in a virtual machine and from a deep sleep
//! more; in lockstep that is most of a block's time. So where the last answers came at once, the network's thread looks for the
//! next one for a moment before it sleeps, as KVM does for a processor that halts (`halt_poll_ns`) and the kernel for a socket
//! (`net.core.busy_read`). It does so between its other work, all of which has its turn every few microseconds, and it gives up on a client
//! whose answers take longer: [`Polling`] decides, [`Pollers`] bounds all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long an answer is waited for awake. In a local network one takes 30 to 80 µs.
const LONGEST: Duration = Duration::from_micros(100);
/// What a slow answer costs, in quick ones: of five answers one is waited for in vain at most.
const SLOW_COSTS: u32 = 4;
/// As many quick answers are remembered. After that many in a row a client may be slow four times until it is slept for.
const REMEMBERED: u32 = 4 * SLOW_COSTS;
/// Transfers that wait awake at the same time. With more of them there is always something to do.
const MOST: usize = 4;

/// Whether the next answer of a transfer's client is waited for awake.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// One for each quick answer, less [`SLOW_COSTS`] for each slow one.
    credit: u32,
}

impl Polling {
    /// An answer came so long after what it answers was sent.
    pub(super) fn answered(&mut self, after: Duration) {
        self.credit = if after <= LONGEST {
            REMEMBERED.min(self.credit + 1)
        } else {
            self.credit.saturating_sub(SLOW_COSTS)
        };
    }

    /// How long the next answer is waited for awake.
    pub(super) fn longest(&self) -> Duration {
        if self.credit >= SLOW_COSTS {
            LONGEST
        } else {
            Duration::ZERO
        }
    }
}

/// The transfers of an interface that wait awake.
#[derive(Debug)]
pub(super) struct Pollers {
    awake: AtomicUsize,
    most: usize,
}

/// One of them.
pub(super) struct Awake<'a> {
    pollers: &'a Pollers,
    until: Instant,
}

impl Awake<'_> {
    /// Gives everything else on this thread its turn, and says whether there is time to look again after that.
    pub(super) async fn goes_on(&self) -> bool {
        tokio::task::yield_now().await;
        Instant::now() < self.until
    }
}

impl Pollers {
    /// Nobody waits awake; nobody ever does where the client's answer needs the only processor.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of_at_most(if processors > 1 { MOST } else { 0 })
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
        let until = Instant::now() + longest;
        let awake = Awake {
            pollers: self,
            until,
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

    /// How many answers were waited for awake, and how many of those in vain.
    fn waits(polling: &mut Polling, answers: impl IntoIterator<Item = Duration>) -> (u32, u32) {
        let (mut awake, mut vain) = (0, 0);
        for after in answers {
            if !polling.longest().is_zero() {
                awake += 1;
                vain += u32::from(after > polling.longest());
            }
            polling.answered(after);
        }
        (awake, vain)
    }

    #[test]
    fn a_quick_client_is_waited_for_awake_after_its_first_answers() {
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
    fn whatever_a_client_does_one_answer_in_five_is_waited_for_in_vain_at_most() {
        // Every pattern of twelve answers, for as long as it shows what it comes to.
        for pattern in 0..1_u32 << 12 {
            let mut polling = Polling::default();
            let answers = (0..12).map(|bit| if pattern >> bit & 1 == 1 { SLOW } else { QUICK });
            let (_, vain) = waits(&mut polling, answers.cycle().take(120));
            let quick = 10 * pattern.count_zeros() - 10 * 20;
            assert!(vain * 4 <= quick, "{pattern:012b}: {vain} and {quick}");
        }
    }

    #[test]
    fn no_more_than_a_few_transfers_keep_the_thread_awake() {
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
