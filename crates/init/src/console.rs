//! What the init says, and where: `/dev/console` and the kernel's log.
//!
//! Every line starts `netroot: `. A line is written whole, by one call, so that the kernel's own lines fall
//! between ours and not into them. A failing console is no reason to fail: nothing here returns an error.

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

/// Writes one line. Use the macros.
pub(crate) fn line(weight: Weight, text: Arguments<'_>) {
    let text = text.to_string();
    let shown = weight as u8 <= SHOWN.load(Ordering::Relaxed);
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    for line in text.lines() {
        let line = printable(line);
        if weight == Weight::Warning {
            remember(&mut sinks.warnings, &line);
        }
        if let Some(console) = sinks.console.as_mut().filter(|_| shown) {
            let _ = console.write_all(format!("netroot: {line}\n").as_bytes());
        }
        if let Some(log) = &mut sinks.kernel_log {
            // 3 is LOG_DAEMON, 7 LOG_DEBUG: in the log for dmesg and the journal, and not a second time on the
            // console, which shows debug messages only when it is asked for everything.
            let _ = log.write_all(format!("<{}>netroot: {line}\n", 3 << 3 | 7).as_bytes());
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
macro_rules! say {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Step, format_args!($($text)*)) };
}
/// What is wrong although the boot goes on.
macro_rules! caution {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Warning, format_args!($($text)*)) };
}
/// The boot failed.
macro_rules! fail {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Failure, format_args!($($text)*)) };
}
/// What only matters when something does not work.
macro_rules! detail {
    ($($text:tt)*) => { $crate::console::line($crate::console::Weight::Detail, format_args!($($text)*)) };
}
pub(crate) use {caution, detail, fail, say};

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
}
