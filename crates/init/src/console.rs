//! Logging, to `/dev/console` and to the kernel's log.
//!
//! Every line starts with `netroot: `, a warning with `netroot: warning: `, a failure with `netroot: boot failed: `.
//! Levels are words rather than colours, because a console is as often a photograph, a recorded serial line or the
//! input of grep as it is a terminal. Each line is written by a single call, so that the kernel's messages fall
//! between our lines and not into them. A console that does not work must not stop the boot: nothing here returns an
//! error.

use std::fmt::Arguments;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use netroot_printable::Printable;

/// The severity of a line, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    /// The boot failed: always printed.
    Error = 0,
    /// Something is wrong but the boot continues: printed unless the console shows failures only.
    Warning = 1,
    /// A step of the boot: printed unless `quiet`.
    Info = 2,
    /// Details for troubleshooting: printed with `debug` only.
    Debug = 3,
}

/// How many warnings are kept for the boot report, and the length each is cut to.
const WARNINGS: usize = 48;
const WARNING_CHARACTERS: usize = 400;

/// `LOG_DEBUG` (syslog(3)).
const DEBUG: u8 = 7;

/// See [`hidden_level`].
static HIDDEN: AtomicU8 = AtomicU8::new(DEBUG);
static SHOWN: AtomicU8 = AtomicU8::new(Level::Info as u8);
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
/// starts an init without them when the initrd has no `/dev/console` node.
pub(crate) fn open() {
    // By default the kernel drops all but ten lines in five seconds; systemd lifts the limit in the same way. The
    // newline is required (`devkmsg_sysctl_set_loglvl`).
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

/// Shows lines of this level and more severe ones on the console.
pub(crate) fn set_level(level: Level) {
    SHOWN.store(level as u8, Ordering::Relaxed);
}

/// Whether lines of this level are shown on the console.
pub(crate) fn shows(level: Level) -> bool {
    level as u8 <= SHOWN.load(Ordering::Relaxed)
}

/// The level that `loglevel=<n>` asks for: the kernel shows messages *below* that number, and our steps count as its
/// `info` (6), our warnings as its `warning` (4).
pub(crate) fn level_of_loglevel(loglevel: u8) -> Level {
    match loglevel {
        0..=4 => Level::Error,
        5..=6 => Level::Warning,
        7 => Level::Info,
        _ => Level::Debug,
    }
}

/// The most severe kernel level that is not shown on the console (`printk` in
/// Documentation/admin-guide/sysctl/kernel.rst: its first number, below which messages are shown).
fn hidden_level() -> u8 {
    let setting = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    let shown_below = setting.split_whitespace().next();
    shown_below
        .and_then(|level| level.parse().ok())
        .unwrap_or(DEBUG)
}

/// The level of a line in the kernel's log: its own if the kernel does not show that level on the console, which has
/// the line already; otherwise the first level that is not shown. Pure.
fn kmsg_level(level: Level, hidden: u8) -> u8 {
    let own = match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
        Level::Debug => DEBUG,
    };
    own.max(hidden).min(DEBUG)
}

/// Logs text, line by line. Use the macros.
pub(crate) fn line(level: Level, text: Arguments<'_>) {
    let text = text.to_string();
    let shown = shows(level);
    let priority = kmsg_level(level, HIDDEN.load(Ordering::Relaxed));
    let mark = if level == Level::Warning {
        "warning: "
    } else {
        ""
    };
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    for line in text.lines() {
        // Text from servers must not move the cursor, change colours or the direction of writing.
        let line = Printable(line).to_string();
        if level == Level::Warning {
            remember(&mut sinks.warnings, &line);
        }
        if let Some(console) = sinks.console.as_mut().filter(|_| shown) {
            let _ = console.write_all(format!("netroot: {mark}{line}\n").as_bytes());
        }
        if let Some(log) = &mut sinks.kernel_log {
            // 3 is LOG_DAEMON.
            let record = format!("<{}>netroot: {mark}{line}\n", 3 << 3 | priority);
            let _ = log.write_all(record.as_bytes());
        }
    }
}

/// Keeps a warning for the boot report: each once, up to [`WARNINGS`] of them.
fn remember(warnings: &mut Vec<String>, line: &str) {
    let line: String = line.chars().take(WARNING_CHARACTERS).collect();
    if warnings.len() < WARNINGS && !warnings.contains(&line) {
        warnings.push(line);
    }
}

/// The warnings logged so far.
pub(crate) fn warnings() -> Vec<String> {
    let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    sinks.warnings.clone()
}

/// Logs a step of the boot.
macro_rules! info {
    ($($text:tt)*) => { $crate::console::line($crate::console::Level::Info, format_args!($($text)*)) };
}
/// Logs a problem that does not stop the boot.
macro_rules! warning {
    ($($text:tt)*) => { $crate::console::line($crate::console::Level::Warning, format_args!($($text)*)) };
}
/// Logs that the boot failed.
macro_rules! error {
    ($($text:tt)*) => { $crate::console::line($crate::console::Level::Error, format_args!($($text)*)) };
}
/// Logs a detail for troubleshooting.
macro_rules! debug {
    ($($text:tt)*) => { $crate::console::line($crate::console::Level::Debug, format_args!($($text)*)) };
}
// `warn` alone would be ambiguous with the built-in attribute of that name.
pub(crate) use {debug, error, info, warning as warn};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_and_loglevel_hide_steps_and_never_failures() {
        assert_eq!(level_of_loglevel(0), Level::Error);
        assert_eq!(level_of_loglevel(4), Level::Error);
        assert_eq!(level_of_loglevel(7), Level::Info);
        assert_eq!(level_of_loglevel(8), Level::Debug);
    }

    #[test]
    fn the_kernel_log_uses_a_lines_own_level_unless_the_console_would_show_it_twice() {
        // As Debian boots with `quiet`, which hides warnings and everything less severe.
        let level = |level| kmsg_level(level, 4);
        assert_eq!(level(Level::Error), 4);
        assert_eq!(level(Level::Warning), 4);
        assert_eq!(level(Level::Info), 6);
        // Without `quiet`.
        assert_eq!(kmsg_level(Level::Warning, 7), 7);
        // `ignore_loglevel`, `debug`: everything is shown.
        assert_eq!(kmsg_level(Level::Debug, 15), 7);
        assert_eq!(kmsg_level(Level::Error, 0), 3);
    }
}
