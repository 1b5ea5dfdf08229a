//! A helper process: a copy of this program that goes on with a function of its own (`fork` without `exec`).

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why there is no helper.
#[derive(Debug, thiserror::Error)]
pub enum HelperProcessError {
    /// `fork` copies the calling thread alone: a lock that another one holds would never be released in the child.
    #[error("cannot start a helper process: {threads} threads are running already; this is a bug")]
    Threads {
        /// How many.
        threads: usize,
    },
    /// `/proc` does not tell how many threads there are.
    #[error("cannot count this process's threads in /proc")]
    Count(#[source] io::Error),
    /// The system's error.
    #[error("cannot start a helper process")]
    Fork(#[source] io::Error),
}

/// Starts a process in which `work` runs with `socket`, and which ends when `work` does. Returns its process number.
///
/// The process has this one's memory as it is now, its user, capabilities and working directory; of its files it keeps
/// standard input, output and error, and `socket`. So `work` must own no descriptor: those of the values that it
/// borrows or owns are closed in the child.
///
/// # Errors
/// [`HelperProcessError`]: above all, this process has another thread.
pub fn start(
    socket: OwnedFd,
    work: impl FnOnce(OwnedFd),
) -> Result<libc::pid_t, HelperProcessError> {
    let threads = fs::read_dir("/proc/self/task").map_err(HelperProcessError::Count)?;
    match threads.count() {
        1 => {}
        threads => return Err(HelperProcessError::Threads { threads }),
    }
    // SAFETY: this is the only thread (counted above, and only this thread could start another one), so that no lock
    // is held by a thread that the child does not have, and the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(HelperProcessError::Fork(io::Error::last_os_error())),
        0 => become_helper(socket, work),
        child => Ok(child),
    }
}

/// In the child. It never returns: what the callers of [`start`] own is the parent's.
fn become_helper(socket: OwnedFd, work: impl FnOnce(OwnedFd)) -> ! {
    let done =
        close_all_but(&socket).is_ok() && catch_unwind(AssertUnwindSafe(|| work(socket))).is_ok();
    // SAFETY: no destructor and no handler of the parent's runs, and no buffer of it is written a second time.
    unsafe { libc::_exit(i32::from(!done)) }
}

/// Closes every descriptor from 3 on but this one.
fn close_all_but(kept: &OwnedFd) -> io::Result<()> {
    let kept = kept.as_raw_fd().unsigned_abs();
    let ranges = [
        (3, kept.saturating_sub(1)),
        (kept.saturating_add(1), u32::MAX),
    ];
    for (first, last) in ranges.into_iter().filter(|(first, last)| first <= last) {
        // SAFETY: two numbers and no flags. Nothing in this process uses a descriptor that is closed here: `work` owns
        // none, and the frames of the callers are never returned to.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_has_no_helper() {
        // The test harness runs tests on threads of their own.
        let (_here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        let refused = start(there.into(), |_| {}).unwrap_err();
        assert!(
            matches!(refused, HelperProcessError::Threads { .. }),
            "{refused}"
        );
    }
}
