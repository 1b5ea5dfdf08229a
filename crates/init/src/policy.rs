//! What follows a failure: another attempt after a pause, or a reboot. Never an exit: the kernel panics when process 1
//! returns.

use std::thread;
use std::time::Duration;

use netroot_proto::cmdline::AfterFailure;
use nix::sys::reboot::RebootMode;

use crate::clock::Moment;
use crate::console::error;
use crate::keyboard;

/// The pause after the first failure; each later pause is twice as long, up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// How long the last message stays on the screen before a reboot.
const BEFORE_REBOOT: Duration = Duration::from_secs(30);
/// The longest pause: after a power cut, machines should be up a minute after their server is.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How often a pause checks whether to end early.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this pause.
    TryAgain(Duration),
    /// Reboot after this pause, because `panic=` says so.
    Reboot(Duration),
    /// Reboot, because the initrd is gone and nothing can be tried again.
    GiveUp,
}

/// What to do after this many failures in a row. Pure.
pub(crate) fn next(after: AfterFailure, failures: u32) -> Next {
    match after {
        AfterFailure::TryAgain => {
            let doublings = failures.saturating_sub(1).min(16);
            Next::TryAgain((FIRST_PAUSE * 2u32.pow(doublings)).min(MAX_PAUSE))
        }
        AfterFailure::RebootAfter(time) => Next::Reboot(time),
        AfterFailure::RebootNow => Next::Reboot(Duration::ZERO),
    }
}

/// Logs what follows, and waits. Returns when it is time for the next attempt, with `true` if somebody pressed Enter,
/// which is checked only with `keyboard`. A pause before another attempt ends early once `retry_now` returns `true`.
pub(crate) fn follow(next: Next, keyboard: bool, retry_now: &mut dyn FnMut() -> bool) -> bool {
    let hint = if keyboard {
        "; Enter opens a prompt"
    } else {
        ""
    };
    match next {
        Next::TryAgain(time) => {
            error!("trying again in {} s{hint}", time.as_secs());
            pause(time, keyboard, retry_now)
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
            let time = BEFORE_REBOOT.as_secs();
            error!("rebooting in {time} s: the initrd is gone, so nothing can be tried again");
            thread::sleep(BEFORE_REBOOT);
            reboot();
        }
    }
}

/// Waits. Returns whether somebody pressed Enter.
fn pause(time: Duration, keyboard: bool, retry_now: &mut dyn FnMut() -> bool) -> bool {
    let until = Moment::now().after(time);
    while !until.remaining().is_zero() && !retry_now() {
        let turn = until.remaining().min(POLL_INTERVAL);
        if !keyboard {
            thread::sleep(turn);
        } else if keyboard::enter_within(turn) {
            return true;
        }
    }
    false
}

/// Reboots the machine.
pub(crate) fn reboot() -> ! {
    shut_down(RebootMode::RB_AUTOBOOT)
}

/// Powers the machine off.
pub(crate) fn power_off() -> ! {
    shut_down(RebootMode::RB_POWER_OFF)
}

fn shut_down(mode: RebootMode) -> ! {
    rustix::fs::sync();
    loop {
        let Err(errno) = nix::sys::reboot::reboot(mode);
        error!("the kernel refuses {mode:?}: {errno}");
        thread::sleep(Duration::from_secs(10));
    }
}

/// Counts consecutive failures.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u32,
}

impl Failures {
    /// Adds the failure of an attempt that lasted this long, and returns the number of failures in a row. A failure of
    /// an attempt that was longer than any pause counts as the first: after 90 seconds of waiting for an answer, the
    /// next attempt need not wait for another minute.
    pub(crate) fn add(&mut self, lasted: Duration) -> u32 {
        self.count = if lasted > MAX_PAUSE {
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
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<u64> = (1..=8)
            .map(|n| match next(AfterFailure::TryAgain, n) {
                Next::TryAgain(pause) => pause.as_secs(),
                next => panic!("unexpected {next:?}"),
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(
            next(AfterFailure::TryAgain, u32::MAX),
            Next::TryAgain(MAX_PAUSE)
        );
    }

    #[test]
    fn a_long_attempt_is_followed_by_a_short_pause() {
        let mut failures = Failures::default();
        let seconds = [1, 3, 3, 91, 92, 3].map(Duration::from_secs);
        let counts = seconds.map(|lasted| failures.add(lasted));
        assert_eq!(counts, [1, 2, 3, 1, 1, 2]);
    }

    #[test]
    fn a_pause_ends_when_its_retry_condition_is_met() {
        // It would last an hour otherwise.
        let mut looks = 0;
        let mut retry_now = || {
            looks += 1;
            looks == 2
        };
        assert!(!pause(Duration::from_secs(3600), false, &mut retry_now));
        assert_eq!(looks, 2);
    }

    #[test]
    fn the_reboot_delay_of_panic_does_not_depend_on_the_number_of_failures() {
        let after = AfterFailure::RebootAfter(Duration::from_secs(7));
        assert_eq!(next(after, 1), Next::Reboot(Duration::from_secs(7)));
        assert_eq!(next(after, 9), Next::Reboot(Duration::from_secs(7)));
        assert_eq!(
            next(AfterFailure::RebootNow, 1),
            Next::Reboot(Duration::ZERO)
        );
    }
}
