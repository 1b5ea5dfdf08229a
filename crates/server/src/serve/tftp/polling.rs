//! Waiting for a fast client awake.
//!
//! A processor that sleeps is woken by an interrupt, which takes tens of microseconds, in a virtual machine and from a deep sleep
//! more; in lockstep that is most of a block's time. So where the last answers came at once, the network's thread looks for the
//! next one for a moment before it sleeps, as KVM does for a processor that halts (`halt_poll_ns`) and the kernel for a socket
//! (`net.core.busy_read`). It does so between its other work, all of which has its turn every few microseconds, once for what was
//! sent, whatever else the client sends meanwhile; and it gives up on a client whose answers take longer: [`Polling`] decides,
//! [`Pollers`] bounds all of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long an answer is waited for awake. In a local network one takes 30 to 80 µs.
const LONGEST: Duration = Duration::from_micros(100);
/// What a slow answer costs, or none, in quick ones: of five answers one is waited for in vain at most.
const SLOW_COSTS: u32 = 4;
/// As many quick answers are remembered. After that many in a row a client may be slow four times until it is slept for.
const REMEMBERED: u32 = 4 * SLOW_COSTS;
/// Transfers that wait awake at the same time. With more of them there is always something to do.
const MOST: usize = 4;

/// Whether the next answer of a transfer's client is waited for awake. Times are those of the transfer.
#[derive(Debug)]
pub(super) struct Polling {
    longest: Duration,
    /// One for each quick answer, less [`SLOW_COSTS`] for each slow one.
    credit: u32,
    /// When that was sent which is not answered yet.
    sent_at: Option<Duration>,
}

impl Polling {
    /// Something is sent. Until when its answer is waited for awake; `None` if it is slept for.
    pub(super) fn sent(&mut self, now: Duration) -> Option<Duration> {
        if self.sent_at.replace(now).is_some() {
            // There was no answer to what was sent before.
            self.credit = self.credit.saturating_sub(SLOW_COSTS);
        }
        (self.credit >= SLOW_COSTS).then(|| now + self.longest)
    }

    /// The client has made progress. Nothing else that it sends is an answer.
    pub(super) fn answered(&mut self, now: Duration) {
        let Some(sent_at) = self.sent_at.take() else {
            return;
        };
        self.credit = if now.saturating_sub(sent_at) <= self.longest {
            REMEMBERED.min(self.credit + 1)
        } else {
            self.credit.saturating_sub(SLOW_COSTS)
        };
    }
}

/// The transfers that wait awake, of all interfaces: they share one thread.
#[derive(Debug)]
pub(crate) struct Pollers {
    awake: AtomicUsize,
    most: usize,
    longest: Duration,
    /// How many turns there have been.
    #[cfg(test)]
    pub(super) turns: AtomicUsize,
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
    /// Nobody waits awake. It does not matter how many processors there are: a packet interrupts who waits awake, and a client on
    /// the only one is slow for as long as it is waited for so, and soon slept for.
    pub(crate) fn new() -> Self {
        Self::of_at_most(MOST, LONGEST)
    }

    /// So many of them at most, each for so long at most.
    pub(super) fn of_at_most(most: usize, longest: Duration) -> Self {
        Self {
            awake: AtomicUsize::new(0),
            most,
            longest,
            #[cfg(test)]
            turns: AtomicUsize::new(0),
        }
    }

    /// What is known of the client of a transfer that begins: nothing.
    pub(super) fn polling(&self) -> Polling {
        Polling {
            longest: self.longest,
            credit: 0,
            sent_at: None,
        }
    }

    /// A turn to wait awake until then, or until it is dropped; `None` if others have all of them.
    pub(super) fn enter(&self, until: Instant) -> Option<Awake<'_>> {
        let awake = Awake {
            pollers: self,
            until,
        };
        #[cfg(test)]
        self.turns.fetch_add(1, Ordering::Relaxed);
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

    const QUICK: Option<Duration> = Some(Duration::from_micros(40));
    const SLOW: Option<Duration> = Some(Duration::from_micros(101));
    /// What was sent is sent again.
    const NONE: Option<Duration> = None;

    fn polling() -> Polling {
        Pollers::of_at_most(MOST, LONGEST).polling()
    }

    /// How many answers were waited for awake, and how many of those in vain.
    fn waits(
        polling: &mut Polling,
        answers: impl IntoIterator<Item = Option<Duration>>,
    ) -> (u32, u32) {
        let (mut awake, mut vain) = (0, 0);
        let mut now = Duration::from_secs(1);
        for after in answers {
            let until = polling.sent(now);
            awake += u32::from(until.is_some());
            let answered = after.map(|after| now + after);
            vain += u32::from(until.is_some_and(|until| answered.is_none_or(|at| at > until)));
            if let Some(at) = answered {
                polling.answered(at);
            }
            now += Duration::from_secs(1);
        }
        (awake, vain)
    }

    #[test]
    fn a_quick_client_is_waited_for_awake_after_its_first_answers() {
        let mut polling = polling();
        assert_eq!(waits(&mut polling, [QUICK; 4]), (0, 0));
        assert_eq!(waits(&mut polling, [QUICK; 100]), (100, 0));
    }

    #[test]
    fn a_slow_client_is_not_and_one_that_becomes_slow_only_a_few_times_more() {
        for slow in [SLOW, NONE] {
            let mut polling = polling();
            assert_eq!(waits(&mut polling, [slow; 1000]), (0, 0));
            waits(&mut polling, [QUICK; 1000]);
            assert_eq!(waits(&mut polling, [slow; 1000]), (4, 4));
        }
    }

    #[test]
    fn whatever_a_client_does_one_answer_in_five_is_waited_for_in_vain_at_most() {
        // Every pattern of eight answers, for as long as it shows what it comes to.
        for pattern in 0..3_usize.pow(8) {
            let mut polling = polling();
            let answers = (0..8).map(|place| [QUICK, SLOW, NONE][pattern / 3_usize.pow(place) % 3]);
            let answers: Vec<_> = answers.collect();
            let quick = answers.iter().filter(|after| **after == QUICK).count() * 10;
            let (_, vain) = waits(&mut polling, answers.into_iter().cycle().take(80));
            assert!(
                usize::try_from(vain).unwrap() * 4 <= quick,
                "{pattern}: {vain} and {quick}"
            );
        }
    }

    #[test]
    fn what_is_answered_twice_counts_once() {
        let mut polling = polling();
        polling.sent(Duration::ZERO);
        for _ in 0..10 {
            polling.answered(Duration::ZERO);
        }
        assert_eq!(polling.credit, 1);
    }

    #[test]
    fn no_more_than_a_few_transfers_keep_the_thread_awake() {
        let pollers = Pollers::of_at_most(2, LONGEST);
        let until = Instant::now();
        let two = [(); 2].map(|()| pollers.enter(until));
        assert!(two.iter().all(Option::is_some));
        assert!(pollers.enter(until).is_none());
        drop(two);
        assert!(pollers.enter(until).is_some());
        assert!(Pollers::of_at_most(0, LONGEST).enter(until).is_none());
        assert_eq!(pollers.awake.load(Ordering::Relaxed), 0);
    }
}
