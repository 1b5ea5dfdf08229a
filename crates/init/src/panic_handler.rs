//! The panic handler. A panic of this program must not become one of the kernel, which panics when process 1 exits.
//!
//! The hook logs what happened and follows the policy: a pause and a restart of the program, or a reboot. It runs in
//! the panicking thread, and a panic within it would abort the process: so it only uses what was decided before.

use std::fmt::Display;
use std::os::unix::process::CommandExt;
use std::panic::{self, PanicHookInfo};
use std::process::Command;
use std::sync::Mutex;

use netroot_proto::cmdline::AfterFailure;

use crate::console::error;
use crate::policy::{self, Next};

/// What the command line wants after a failure; `None` until it is parsed, as the parser itself may have panicked.
static AFTER: Mutex<Option<AfterFailure>> = Mutex::new(None);
/// The same bug will most likely strike again at once, so the pause is that after this many failures.
const COUNTS_AS_FAILURES: u32 = 4;

/// Installs the handler.
pub(crate) fn install() {
    panic::set_hook(Box::new(caught));
}

/// Sets what the command line wants after a failure.
pub(crate) fn set_policy(after: AfterFailure) {
    if let Ok(mut slot) = AFTER.try_lock() {
        *slot = Some(after);
    }
}

fn caught(info: &PanicHookInfo<'_>) {
    error!("{}", sentence(info));
    let after = AFTER.try_lock().ok().and_then(|slot| *slot);
    policy::follow(next(after), false, &mut || false);
    // The other threads end here, with whatever they were doing; mounts stay, and the next attempt deals with them.
    let error = Command::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .exec();
    error!("cannot restart init: {error}");
    policy::reboot();
}

/// The panic in one line; it comes as two, its location and its message.
fn sentence(info: impl Display) -> String {
    let lines = info.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    let what = lines.join(" ");
    format!("boot failed: a bug in this init ({what}); report it, with the lines above")
}

/// What to do after a panic. Pure.
fn next(after: Option<AfterFailure>) -> Next {
    policy::next(after.unwrap_or(AfterFailure::TryAgain), COUNTS_AS_FAILURES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_is_reported_in_one_sentence_with_its_location() {
        let reported = std::sync::Arc::new(Mutex::new(String::new()));
        let sink = reported.clone();
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| *sink.lock().unwrap() = sentence(info)));
        let thread = std::thread::spawn(|| panic!("no such\nthing"));
        let _ = thread.join();
        panic::set_hook(usual);
        let reported = reported.lock().unwrap();
        assert!(
            reported.starts_with("boot failed: a bug in this init (panicked at ")
                && reported.contains("panic_handler.rs:")
                && reported.contains(" no such thing); report it"),
            "{reported}"
        );
        assert!(!reported.contains('\n'), "{reported}");
    }

    #[test]
    fn the_policy_of_the_command_line_applies_to_panics() {
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
