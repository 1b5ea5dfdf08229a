//! When a thread runs beside others (sched(7)). The C library of the init leaves sched_setscheduler(2) out, and rustix
//! does not have it.

use std::io;

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// By its niceness (`SCHED_OTHER`).
    Usual,
    /// When no other thread would run on the processor, but for a few thousandths of its time (`SCHED_IDLE`).
    Idle,
}

impl Policy {
    /// That of a thread by its `stat` in `/proc` (proc(5), the 41st field); `None` for another policy. For tests, here and in the
    /// init.
    pub fn of_stat(stat: &str) -> Option<Self> {
        // The name, in brackets, may have anything in it.
        let (_, after_name) = stat.rsplit_once(')')?;
        let number = after_name.split_whitespace().nth(38)?.parse().ok()?;
        match number {
            libc::SCHED_OTHER => Some(Self::Usual),
            libc::SCHED_IDLE => Some(Self::Idle),
            _ => None,
        }
    }
}

/// Schedules the calling thread so, and the threads and processes that it starts from now on.
///
/// # Errors
/// `EPERM` if a thread without privileges would be scheduled as usual again.
pub fn set(policy: Policy) -> io::Result<()> {
    let number = match policy {
        Policy::Usual => libc::SCHED_OTHER,
        Policy::Idle => libc::SCHED_IDLE,
    };
    // Both policies have the priority 0 alone.
    let priority: libc::c_int = 0;
    // SAFETY: the third argument points to a `struct sched_param` of the kernel, which is one `int`
    // (`include/uapi/linux/sched/types.h`), and which the call only reads. 0 is the calling thread.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, number, &raw const priority) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of the calling thread.
    fn policy() -> Option<Policy> {
        Policy::of_stat(&std::fs::read_to_string("/proc/thread-self/stat").unwrap())
    }

    #[test]
    fn a_thread_that_is_idle_may_be_so_alone() {
        std::thread::scope(|threads| {
            threads.spawn(|| {
                set(Policy::Idle).unwrap();
                assert_eq!(policy(), Some(Policy::Idle));
                // Its niceness may forbid this.
                if set(Policy::Usual).is_ok() {
                    assert_eq!(policy(), Some(Policy::Usual));
                }
            });
        });
        assert_eq!(policy(), Some(Policy::Usual));
    }
}
