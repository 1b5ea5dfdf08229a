//! Reads the kernel's log, which contains the init's lines too (`Documentation/ABI/testing/dev-kmsg`).

use std::collections::VecDeque;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How many lines are shown: one screen.
const SHOWN: usize = 40;
/// The longest record (`CONSOLE_EXT_LOG_MAX`).
const RECORD: usize = 8192;
/// The most records that are read; the kernel's buffer holds fewer.
const RECORDS: usize = 1 << 18;

/// The last lines of the log, oldest first.
pub(super) fn last_lines() -> Vec<String> {
    let mut lines = VecDeque::new();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(log) = rustix::fs::open("/dev/kmsg", flags, Mode::empty()) else {
        return vec!["cannot read /dev/kmsg".to_owned()];
    };
    let mut record = vec![0; RECORD];
    for _ in 0..RECORDS {
        match rustix::io::read(&log, &mut record) {
            // The record was overwritten; continue with the next.
            Err(Errno::PIPE | Errno::INTR) => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let text = record.get(..length).unwrap_or_default();
                lines.extend(line(&String::from_utf8_lossy(text)));
                if lines.len() > SHOWN {
                    lines.pop_front();
                }
            }
        }
    }
    lines.into()
}

/// Formats a record, `6,339,5140900,-;NET: registered`, as dmesg prints it.
fn line(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let time: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = text.lines().next().unwrap_or_default();
    let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
    Some(format!("[{seconds:5}.{micros:06}] {text}"))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_record_is_printed_as_dmesg_prints_it() {
        let record = "6,339,5140900,-;NET: registered\n SUBSYSTEM=net\n";
        assert_eq!(
            line(record).as_deref(),
            Some("[    5.140900] NET: registered")
        );
        for wrong in ["", "6,339,x,-;a", "6,339;a", "a"] {
            assert_eq!(line(wrong), None, "{wrong}");
        }
    }
}
