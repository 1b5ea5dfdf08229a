//! The end of a machine whose root's server went away before it.
//!
//! systemd's last program (`systemd-shutdown`) hands over to [`crate::after::shutdown`], but is itself a file of the root:
//! where the server or the network is gone, it waits for a page of itself for ever. This process is spared by it, and
//! all that it needs is in memory. So it looks once in a while whether process 1 has come to its last program, and
//! ends the machine when that takes too long and nothing is left to be written.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::after::shutdown;
use crate::clock::Moment;

/// What the kernel calls systemd's last program (`TASK_COMM_LEN`).
const LAST_PROGRAM: &str = "systemd-shutdow";
/// How long that may take: it waits 90 s for programs that do not end.
const OVERDUE: Duration = Duration::from_secs(120);
/// How much may be left to be written, in KiB: a few pages are dirty at any time.
const DIRTY: u64 = 256;
/// The longest of the files read here.
const LONGEST: usize = 8 << 10;

/// The watch.
pub(super) struct ShutdownWatchdog {
    /// `/proc`, which has no path here any more.
    proc: OwnedFd,
    /// Since when process 1 is at its last program.
    since: Option<Moment>,
}

impl ShutdownWatchdog {
    pub(super) fn open() -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
        Ok(Self { proc, since: None })
    }

    /// Looks. Returns what process 1 was told, if the machine has to be ended for it.
    pub(super) fn look(&mut self) -> Option<Vec<String>> {
        if self.read("1/comm").trim_end() != LAST_PROGRAM {
            self.since = None;
            return None;
        }
        let now = Moment::now();
        let since = *self.since.get_or_insert(now);
        let is_overdue = now.since(since) >= OVERDUE;
        (is_overdue && unwritten(&self.read("meminfo")) <= DIRTY).then(|| {
            let line = self.read("1/cmdline");
            line.split('\0').skip(1).map(str::to_owned).collect()
        })
    }

    /// Ends the machine as `words` say. Returns if the kernel refuses.
    pub(super) fn end(words: &[String]) {
        let Err(_) = nix::sys::reboot::reboot(shutdown::mode(words));
    }

    fn read(&self, path: &str) -> String {
        let mut buffer = vec![0; LONGEST];
        let file = rustix::fs::openat(&self.proc, path, OFlags::CLOEXEC, Mode::empty());
        let length = file.and_then(|file| rustix::io::read(file, &mut buffer[..]));
        buffer.truncate(length.unwrap_or(0));
        String::from_utf8_lossy(&buffer).into_owned()
    }
}

/// What is not on its disk or server yet, in KiB (`/proc/meminfo`).
fn unwritten(meminfo: &str) -> u64 {
    let of = |line: &str| {
        let (name, size) = line.split_once(':')?;
        matches!(name, "Dirty" | "Writeback").then_some(())?;
        size.split_whitespace().next()?.parse::<u64>().ok()
    };
    meminfo.lines().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dirty_or_under_way_is_unwritten() {
        let meminfo =
            "MemFree: 9 kB\nDirty:        12 kB\nWriteback:     4 kB\nWritebackTmp: 7 kB\n";
        assert_eq!(unwritten(meminfo), 16);
        assert_eq!(unwritten(""), 0);
    }

    #[test]
    fn a_machine_that_goes_on_is_let_be() {
        // Process 1 of whoever tests is not at its end.
        assert_eq!(ShutdownWatchdog::open().unwrap().look(), None);
    }
}
