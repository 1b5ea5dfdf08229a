//! Lines from the console. The terminal edits them: it is in its canonical mode.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Moment;

/// The longest line (`N_TTY_BUF_SIZE`).
const LINE: usize = 4096;

/// What came of waiting for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line without its end.
    Line(String),
    /// Nothing until the moment that was set.
    Nothing,
    /// There is no keyboard: standard input has ended, or is no terminal.
    Gone,
}

/// Waits for a line until `until`, or for ever.
pub(super) fn line(until: Option<Moment>) -> Typed {
    let mut typed = Vec::new();
    loop {
        let left = until.map(|until| until.remaining());
        if !readable(left) {
            if until.is_some_and(|until| until.remaining().is_zero()) {
                return Typed::Nothing;
            }
            continue;
        }
        let mut piece = [0; 256];
        let count = match rustix::io::read(rustix::stdio::stdin(), &mut piece) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Ok(0) | Err(_) => return Typed::Gone,
            Ok(count) => count,
        };
        typed.extend_from_slice(piece.get(..count).unwrap_or_default());
        // The terminal gives one line at a time; what follows its end could only come from elsewhere.
        let end = typed.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        if end.is_some() || typed.len() > LINE {
            typed.truncate(end.unwrap_or(LINE));
            return Typed::Line(String::from_utf8_lossy(&typed).into_owned());
        }
    }
}

fn readable(left: Option<Duration>) -> bool {
    let timeout = left.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}
