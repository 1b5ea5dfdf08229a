//! What the init says, and where: `/dev/console` and the kernel's log.
//!
//! Every line starts `netroot: `, a warning `netroot: warning: `, a failure `netroot: boot failed: `: words and no
//! colours, because a console is as often a photograph, a serial line that somebody records, or a grep as it is a
//! terminal. A line is written whole, by one call, so that the kernel's own lines fall between ours and not into them.
//! A failing console is no reason to fail: nothing here returns an error.

use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// How much a line matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Weight {
    /// The boot failed: always printed.
    Failure = 0,
    /// Something is wrong and the boot goes on: printed unless the console is to show failures alone.
    Warning = 1,
    /// A step of the boot: printed unless `quiet`.
    Step = 2,
    /// What only matters when something does not work.
    Detail = 3,
}

/// Warnings that are kept for the boot report, and how long each may be.
const WARNINGS: usize = 48;
const WARNING_CHARACTERS: usize = 400;

/// `LOG_DEBUG` (syslog(3)).
const DEBUG: u8 = 7;

/// See [`hidden_level`].
static HIDDEN: AtomicU8 = AtomicU8::new(DEBUG);
static SHOWN: AtomicU8 = AtomicU8::new(Weight::Step as u8);
static SINKS: Mutex<Sinks> = Mutex::new(Sinks {
    console: None,
    kernel_log: None,
    warnings: Vec::new(),
});

struct Sinks {
    console: Option<File>,
    kernel_log: Option<File>,
    /// For the boot report.
    warnings: Vec<String>,
}

/// Opens the console and the kernel's log. The console becomes standard input, output and error: the kernel
/// starts an init without them when the image has no `/dev/console` node.
pub(crate) fn open() {
    // Unless told otherwise the kernel drops all but ten lines in five seconds; systemd does the same. The line's
    // end is wanted (`devkmsg_sysctl_set_loglvl`).
    let _ = std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    let console = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/console")
        .ok();
    if let Some(console) = &console {
        let _ = rustix::stdio::dup2_stdin(console);
        let _ = rustix::stdio::dup2_stdout(console);
        let _ = rustix::stdio::dup2_stderr(console);
    }
    let kernel_log = OpenOptions::new().write(true).open("/dev/kmsg").ok();
    HIDDEN.store(hidden_level(), Ordering::Relaxed);
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    sinks.console = console;
    sinks.kernel_log = kernel_log;
}

/// Lets the console show lines of this weight and heavier.
pub(crate) fn show(lightest: Weight) {
    SHOWN.store(lightest as u8, Ordering::Relaxed);
}

/// The weight that `loglevel=<n>` asks for: the kernel shows messages *below* the level, and a step is as heavy
/// as its `info` (6), a warning as its `warning` (4).
pub(crate) fn weight_of_loglevel(level: u8) -> Weight {
    match level {
        0..=4 => Weight::Failure,
        5..=6 => Weight::Warning,
        7 => Weight::Step,
        _ => Weight::Detail,
    }
}

/// The lightest level that the kernel shows nothing of on the console, by its own setting (`printk` in
/// Documentation/admin-guide/sysctl/kernel.rst: the first number, below which it shows).
fn hidden_level() -> u8 {
    let setting = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    let shown_below = setting.split_whitespace().next();
    shown_below
        .and_then(|level| level.parse().ok())
        .unwrap_or(DEBUG)
}

/// The level of a line in the kernel's log: its own where the kernel does not show that on the console, which has
/// the line already; else the first one that it does not show. Pure.
fn log_level(weight: Weight, hidden: u8) -> u8 {
    let own = match weight {
        Weight::Failure => 3,
        Weight::Warning => 4,
        Weight::Step => 6,
        Weight::Detail => DEBUG,
    };
    own.max(hidden).min(DEBUG)
}

/// Writes one line. Use the macros.
pub(crate) fn line(weight: Weight, text: Arguments<'_>) {
    let text = text.to_string();
    let shown = weight as u8 <= SHOWN.load(Ordering::Relaxed);
    let level = log_level(weight, HIDDEN.load(Ordering::Relaxed));
    let mark = if weight == Weight::Warning {
        "warning: "
    } else {
        ""
    };
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    for line in text.lines() {
        let line = printable(line);
        if weight == Weight::Warning {
            remember(&mut sinks.warnings, &line);
        }
        if let Some(console) = sinks.console.as_mut().filter(|_| shown) {
            let _ = console.write_all(format!("netroot: {mark}{line}\n").as_bytes());
        }
        if let Some(log) = &mut sinks.kernel_log {
            // 3 is LOG_DAEMON.
            let record = format!("<{}>netroot: {mark}{line}\n", 3 << 3 | level);
            let _ = log.write_all(record.as_bytes());
        }
    }
}

/// Keeps a warning, once however often it comes, while there is room for it.
fn remember(warnings: &mut Vec<String>, line: &str) {
    let line: String = line.chars().take(WARNING_CHARACTERS).collect();
    if warnings.len() < WARNINGS && !warnings.contains(&line) {
        warnings.push(line);
    }
}

/// The warnings so far.
pub(crate) fn warnings() -> Vec<String> {
    let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    sinks.warnings.clone()
}

/// Text of servers reaches the console: no byte of it may move the cursor or change a colour.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A step of the boot.
macro_rules! info {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Step, format_args!($($text)*)) };
}
/// What is wrong although the boot goes on.
macro_rules! warning {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Warning, format_args!($($text)*)) };
}
/// The boot failed.
macro_rules! error {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Failure, format_args!($($text)*)) };
}
/// What only matters when something does not work.
macro_rules! debug {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Detail, format_args!($($text)*)) };
}
// `warn` alone would be ambiguous with the built-in attribute of that name.
pub(crate) use {debug, error, info, warning as warn};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\rc\u{9b}d"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn quiet_and_loglevel_hide_steps_and_never_failures() {
        assert_eq!(weight_of_loglevel(0), Weight::Failure);
        assert_eq!(weight_of_loglevel(4), Weight::Failure);
        assert_eq!(weight_of_loglevel(7), Weight::Step);
        assert_eq!(weight_of_loglevel(8), Weight::Detail);
    }

    #[test]
    fn the_log_has_a_lines_own_level_unless_the_console_would_show_it_twice() {
        // As Debian boots with `quiet`, which hides warnings and what is lighter.
        let level = |weight| log_level(weight, 4);
        assert_eq!(level(Weight::Failure), 4);
        assert_eq!(level(Weight::Warning), 4);
        assert_eq!(level(Weight::Step), 6);
        // As it boots without.
        assert_eq!(log_level(Weight::Warning, 7), 7);
        // `ignore_loglevel`, `debug`: everything is shown.
        assert_eq!(log_level(Weight::Detail, 15), 7);
        assert_eq!(log_level(Weight::Failure, 0), 3);
    }
}
