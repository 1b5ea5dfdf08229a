//! A panic: a mistake in this program. It must not become the kernel's, which panics when process 1 ends.
//!
//! The hook says what happened and follows the policy: a pause, and the program starts anew, or a reboot. It runs in
//! the thread that panicked, and a panic in it would end everything: so it decides nothing that was not decided before.

use std::fmt::Display;
use std::os::unix::process::CommandExt;
use std::panic::{self, PanicHookInfo};
use std::process::Command;
use std::sync::Mutex;

use netroot_proto::cmdline::AfterFailure;

use crate::console::error;
use crate::policy::{self, Next};

/// What the command line wants after a failure, once it is known: what panicked may be its parser.
static AFTER: Mutex<Option<AfterFailure>> = Mutex::new(None);
/// A mistake comes again at once, most likely: the pause is that after so many failures.
const FAILURES: u32 = 4;

/// Has panics end here.
pub(crate) fn install() {
    panic::set_hook(Box::new(caught));
}

/// Takes what the command line wants after a failure.
pub(crate) fn set_policy(after: AfterFailure) {
    if let Ok(mut slot) = AFTER.try_lock() {
        *slot = Some(after);
    }
}

fn caught(info: &PanicHookInfo<'_>) {
    error!("{}", sentence(info));
    let after = AFTER.try_lock().ok().and_then(|slot| *slot);
    policy::follow(next(after), false, &mut || false);
    // The threads go, and with them whatever was half done; what is mounted stays and is seen to by the next attempt.
    let error = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .exec();
    error!("init cannot start itself anew: {error}");
    policy::reboot();
}

/// What happened, in a line: a panic is told in two, the place and the message.
fn sentence(info: impl Display) -> String {
    let lines = info.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    let what = lines.join(" ");
    format!("boot failed: a mistake in this init ({what}); report it, with the lines above")
}

/// What follows. Pure.
fn next(after: Option<AfterFailure>) -> Next {
    policy::next(after.unwrap_or(AfterFailure::TryAgain), FAILURES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_is_told_in_one_sentence_with_its_place() {
        let told = std::sync::Arc::new(Mutex::new(String::new()));
        let heard = told.clone();
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            *heard.lock().unwrap() = sentence(info)
        }));
        let thread = std::thread::spawn(|| panic!("no such\nthing"));
        let _ = thread.join();
        panic::set_hook(usual);
        let told = told.lock().unwrap();
        assert!(
            told.starts_with("boot failed: a mistake in this init (panicked at ")
                && told.contains("panic_handler.rs:")
                && told.contains(" no such thing); report it"),
            "{told}"
        );
        assert!(!told.contains('\n'), "{told}");
    }

    #[test]
    fn what_the_command_line_wants_holds_after_a_mistake_too() {
        let seconds = Duration::from_secs;
        assert_eq!(next(None), Next::TryAgain(seconds(16)));
        assert_eq!(
            next(Some(AfterFailure::RebootAfter(seconds(5)))),
            Next::Reboot(seconds(5))
        );
        set_policy(AfterFailure::RebootNow);
        let after = AFTER.try_lock().ok().and_then(|slot| *slot);
        assert_eq!(next(after), Next::Reboot(Duration::ZERO));
    }
}
