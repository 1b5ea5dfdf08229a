//! Reads lines typed at the console. The terminal is in canonical mode and does the editing.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::{Moment, timespec};

/// The longest line (`N_TTY_BUF_SIZE`).
const LINE: usize = 4096;

/// The result of waiting for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line, without its newline.
    Line(String),
    /// End of input on an empty line: `^D`.
    Eof,
    /// Nothing was typed in time.
    Timeout,
    /// There is no keyboard: standard input is closed or not a terminal.
    NoKeyboard,
}

/// Waits this long. Returns whether somebody pressed Enter meanwhile.
pub(crate) fn enter_within(pause: Duration) -> bool {
    let until = Moment::now().after(pause);
    match read_line(Some(until)) {
        Input::Line(_) => true,
        Input::Timeout => false,
        // Without a keyboard, or after ^D, nobody asked for anything.
        Input::Eof | Input::NoKeyboard => {
            std::thread::sleep(until.remaining());
            false
        }
    }
}

/// Waits for a line until `until`, or for ever.
pub(crate) fn read_line(until: Option<Moment>) -> Input {
    let mut typed = Vec::new();
    loop {
        let left = until.map(|until| until.remaining());
        if !readable(left) {
            if until.is_some_and(|until| until.remaining().is_zero()) {
                return Input::Timeout;
            }
            continue;
        }
        let mut piece = [0; 256];
        let count = match rustix::io::read(rustix::stdio::stdin(), &mut piece) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Ok(0) if rustix::termios::isatty(rustix::stdio::stdin()) => return Input::Eof,
            Ok(0) | Err(_) => return Input::NoKeyboard,
            Ok(count) => count,
        };
        typed.extend_from_slice(piece.get(..count).unwrap_or_default());
        // A terminal delivers one line at a time, so nothing meaningful follows the newline.
        let end = typed.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        if end.is_some() || typed.len() > LINE {
            typed.truncate(end.unwrap_or(LINE));
            return Input::Line(clean(&String::from_utf8_lossy(&typed)));
        }
    }
}

/// Removes the keys that the terminal does not handle. It acts on DEL as backspace (and on `^U` and `^W`), but some
/// keyboards send `^H`; arrow keys and the like arrive as control sequences (ECMA-48).
fn clean(typed: &str) -> String {
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
    use super::clean;

    #[test]
    fn keys_that_the_terminal_does_not_handle_are_removed() {
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
            assert_eq!(clean(typed), line, "{typed:?}");
        }
    }
}
