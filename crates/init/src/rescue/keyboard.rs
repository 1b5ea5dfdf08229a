//! Lines from the console. The terminal edits them: it is in its canonical mode.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::{Moment, timespec};

/// The longest line (`N_TTY_BUF_SIZE`).
const LINE: usize = 4096;

/// What came of waiting for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line without its end.
    Line(String),
    /// The end of the input on an empty line: `^D`.
    End,
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
            Ok(0) if rustix::termios::isatty(rustix::stdio::stdin()) => return Typed::End,
            Ok(0) | Err(_) => return Typed::Gone,
            Ok(count) => count,
        };
        typed.extend_from_slice(piece.get(..count).unwrap_or_default());
        // The terminal gives one line at a time; what follows its end could only come from elsewhere.
        let end = typed.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        if end.is_some() || typed.len() > LINE {
            typed.truncate(end.unwrap_or(LINE));
            return Typed::Line(meant(&String::from_utf8_lossy(&typed)));
        }
    }
}

/// The line that was meant: without the keys that the terminal does not act on. It takes DEL as backspace (`^U` and `^W`
/// too), and some keyboards send `^H`; arrows and the like come as control sequences (ECMA-48).
fn meant(typed: &str) -> String {
    let mut line = String::new();
    let mut keys = typed.chars();
    while let Some(key) = keys.next() {
        match key {
            '\u{8}' | '\u{7f}' => {
                line.pop();
            }
            '\u{1b}' if matches!(keys.next(), Some('[' | 'O')) => {
                keys.find(|key| matches!(key, '@'..='~'));
            }
            '\t' => line.push(' '),
            key if key.is_control() => {}
            key => line.push(key),
        }
    }
    line
}

fn readable(left: Option<Duration>) -> bool {
    let timeout = left.map(timespec);
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn keys_that_the_terminal_does_not_know_leave_no_trace() {
        for (typed, line) in [
            ("set ro", "set ro"),
            ("shpw\u{8}\u{8}ow", "show"),
            ("\u{8}\u{8}log", "log"),
            ("\u{1b}[Aretry\u{1b}[1;5D", "retry"),
            ("\u{1b}OPhelp", "help"),
            ("set\tro\u{3}", "set ro"),
            ("\u{1b}", ""),
            ("a\u{1b}[", "a"),
        ] {
            assert_eq!(meant(typed), line, "{typed:?}");
        }
    }
}
