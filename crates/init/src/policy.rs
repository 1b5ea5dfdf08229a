//! What follows a failure: another try after a pause, or a reboot. Never an end: the kernel panics when its
//! first process returns.

use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::AfterFailure;
use nix::sys::reboot::RebootMode;

use crate::clock::Moment;
use crate::console::error;
use crate::rescue;

/// The pause after the first failure; each later one is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(2);
/// How long the last words stay on the screen.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// The longest pause: a machine room that gets its power back should be up a minute after its server is.
const LONGEST: Duration = Duration::from_secs(60);

/// How often a pause looks whether it is to end early.
const TURN: Duration = Duration::from_secs(1);

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after so long.
    TryAgain(Duration),
    /// Reboot after so long, because `panic=` says so.
    Reboot(Duration),
    /// Reboot, because nothing is left to try again with.
    GiveUp,
}

/// The next step after this many failures in a row. Pure.
pub(crate) fn next(after: AfterFailure, failures: u32) -> Next {
    match after {
        AfterFailure::TryAgain => {
            let doublings = failures.saturating_sub(1).min(16);
            Next::TryAgain((FIRST * 2u32.pow(doublings)).min(LONGEST))
        }
        AfterFailure::RebootAfter(time) => Next::Reboot(time),
        AfterFailure::RebootNow => Next::Reboot(Duration::ZERO),
    }
}

/// Says what follows, and waits. Returns to try again, and whether it does because somebody pressed Enter, which is
/// listened for if `keyboard`. A pause before another try ends as soon as `news` says that there is a reason to.
pub(crate) fn follow(next: Next, keyboard: bool, news: &mut dyn FnMut() -> bool) -> bool {
    let hint = if keyboard {
        "; Enter opens a prompt"
    } else {
        ""
    };
    match next {
        Next::TryAgain(time) => {
            error!("trying again in {} s{hint}", time.as_secs());
            pause(time, keyboard, news)
        }
        Next::Reboot(Duration::ZERO) => {
            error!("rebooting (panic=-1)");
            reboot();
        }
        Next::Reboot(time) => {
            error!("rebooting in {0} s (panic={0}){hint}", time.as_secs());
            if pause(time, keyboard, &mut || false) {
                return true;
            }
            reboot();
        }
        Next::GiveUp => {
            let time = LAST_WORDS.as_secs();
            error!("rebooting in {time} s: the image is gone, so nothing can be tried again");
            thread::sleep(LAST_WORDS);
            reboot();
        }
    }
}

/// Waits, and says whether somebody pressed Enter.
fn pause(time: Duration, keyboard: bool, news: &mut dyn FnMut() -> bool) -> bool {
    let until = Moment::now().after(time);
    while !until.remaining().is_zero() && !news() {
        let turn = until.remaining().min(TURN);
        if !keyboard {
            thread::sleep(turn);
        } else if rescue::enter_within(turn) {
            return true;
        }
    }
    false
}

/// Restarts the machine, and waits for it to happen.
pub(crate) fn reboot() -> ! {
    end(RebootMode::RB_AUTOBOOT)
}

/// Switches the machine off, and waits for it to happen.
pub(crate) fn power_off() -> ! {
    end(RebootMode::RB_POWER_OFF)
}

fn end(mode: RebootMode) -> ! {
    rustix::fs::sync();
    loop {
        let Err(errno) = nix::sys::reboot::reboot(mode);
        error!("the kernel does not do that: {errno}");
        thread::sleep(Duration::from_secs(10));
    }
}

/// Counts failures that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u32,
}

impl Failures {
    /// One more, of an attempt that lasted so long. Returns how many there are in a row. An attempt that was longer than
    /// any pause counts as the first: who asked for a minute and a half in vain need not be silent for another.
    pub(crate) fn one_more(&mut self, lasted: Duration) -> u32 {
        self.count = if lasted > LONGEST {
            1
        } else {
            self.count.saturating_add(1)
        };
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_stay_there() {
        let pauses: Vec<u64> = (1..=8)
            .map(|n| match next(AfterFailure::TryAgain, n) {
                Next::TryAgain(pause) => pause.as_secs(),
                next => panic!("nobody asked for {next:?}"),
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(
            next(AfterFailure::TryAgain, u32::MAX),
            Next::TryAgain(LONGEST)
        );
    }

    #[test]
    fn an_attempt_that_was_a_long_wait_itself_is_followed_by_a_short_pause() {
        let mut failures = Failures::default();
        let seconds = [1, 3, 3, 91, 92, 3].map(Duration::from_secs);
        let counts = seconds.map(|lasted| failures.one_more(lasted));
        assert_eq!(counts, [1, 2, 3, 1, 1, 2]);
    }

    #[test]
    fn a_pause_ends_with_the_news_that_it_waits_for() {
        // Without them it would last an hour.
        let mut looks = 0;
        let mut news = || {
            looks += 1;
            looks == 2
        };
        assert!(!pause(Duration::from_secs(3600), false, &mut news));
        assert_eq!(looks, 2);
    }

    #[test]
    fn panic_reboots_after_its_seconds_however_often_it_failed() {
        let after = AfterFailure::RebootAfter(Duration::from_secs(7));
        assert_eq!(next(after, 1), Next::Reboot(Duration::from_secs(7)));
        assert_eq!(next(after, 9), Next::Reboot(Duration::from_secs(7)));
        assert_eq!(
            next(AfterFailure::RebootNow, 1),
            Next::Reboot(Duration::ZERO)
        );
    }
}
