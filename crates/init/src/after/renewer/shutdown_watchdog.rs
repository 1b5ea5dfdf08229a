//! Shuts the machine down when systemd cannot, because the root's server is gone.
//!
//! systemd's last program (`systemd-shutdown`) hands over to [`crate::after::shutdown`], but is itself a file of the
//! root: without the server or the network it waits for a page of itself for ever. The renewer is not killed by it, and
//! needs nothing but memory. So it checks from time to time whether process 1 has become that program, and shuts the
//! machine down if that takes too long and no data is left to be written.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::after::shutdown;
use crate::clock::Moment;

/// The name of systemd's last program, as the kernel truncates it (`TASK_COMM_LEN`).
const LAST_PROGRAM: &str = "systemd-shutdow";
/// How long it may run: it waits 90 s for programs that do not exit.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How much data may be left unwritten, in KiB: a few pages are dirty at any time.
const MAX_DIRTY: u64 = 256;
/// How much is read of a file in `/proc`, in bytes.
const MAX_LENGTH: usize = 8 << 10;

/// Watches process 1.
pub(super) struct ShutdownWatchdog {
    /// `/proc`, which has no path here after the switch.
    proc: OwnedFd,
    /// Since when process 1 has been systemd's last program.
    since: Option<Moment>,
}

impl ShutdownWatchdog {
    /// With the directory `/proc`.
    pub(super) fn new(proc: OwnedFd) -> Self {
        Self { proc, since: None }
    }

    /// Checks. Returns the arguments of process 1 if the machine has to be shut down in its place.
    pub(super) fn check(&mut self) -> Option<Vec<String>> {
        if self.read("1/comm").trim_end() != LAST_PROGRAM {
            self.since = None;
            return None;
        }
        let now = Moment::now();
        let since = *self.since.get_or_insert(now);
        let is_overdue = now.since(since) >= TIMEOUT;
        (is_overdue && unwritten(&self.read("meminfo")) <= MAX_DIRTY).then(|| {
            let line = self.read("1/cmdline");
            line.split('\0').skip(1).map(str::to_owned).collect()
        })
    }

    /// Shuts the machine down as the arguments say. Returns if the kernel refuses.
    pub(super) fn shut_down(arguments: &[String]) {
        let Err(_) = nix::sys::reboot::reboot(shutdown::mode(arguments));
    }

    fn read(&self, path: &str) -> String {
        let mut buffer = vec![0; MAX_LENGTH];
        let file = rustix::fs::openat(&self.proc, path, OFlags::CLOEXEC, Mode::empty());
        let length = file.and_then(|file| rustix::io::read(file, &mut buffer[..]));
        buffer.truncate(length.unwrap_or(0));
        String::from_utf8_lossy(&buffer).into_owned()
    }
}

/// How much data is not on its disk or server yet, in KiB (`/proc/meminfo`).
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
    fn dirty_and_writeback_pages_are_unwritten() {
        let meminfo =
            "MemFree: 9 kB\nDirty:        12 kB\nWriteback:     4 kB\nWritebackTmp: 7 kB\n";
        assert_eq!(unwritten(meminfo), 16);
        assert_eq!(unwritten(""), 0);
    }

    #[test]
    fn a_running_machine_is_left_alone() {
        // Process 1 of the machine that runs the test is not shutting down.
        let proc = std::fs::File::open("/proc").unwrap();
        assert_eq!(ShutdownWatchdog::new(proc.into()).check(), None);
    }
}
