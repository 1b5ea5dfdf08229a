//! Starts programs that run beside the root's init.

use std::io;
use std::process::{Child, Command};

use netroot_sys::scheduling::{self, Policy};
use rustix::process::{getpriority_process, setpriority_process};

/// Their niceness: the root's init is what people wait for, and with one processor the two share it.
pub(crate) const NICENESS: i32 = 10;

/// Starts a program with less priority than the root's init, from its first instruction on. Until it calls [`begin`], it runs
/// only while nothing else would: otherwise it could run before the root's init, which starts next, has begun.
///
/// # Errors
/// Those of [`Command::spawn`].
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    // A program inherits the priority of the thread that starts it.
    let own = getpriority_process(None);
    if let Ok(own) = own {
        let _ = setpriority_process(None, own + NICENESS);
    }
    let _ = scheduling::set(Policy::Idle);
    let child = command.spawn();
    let _ = scheduling::set(Policy::Usual);
    if let Ok(own) = own {
        let _ = setpriority_process(None, own);
    }
    child
}

/// Has this process, which [`spawn`] started, take its share of the processor from now on: it has work that somebody waits for.
pub(crate) fn begin() {
    // If that fails, it goes on with less.
    let _ = scheduling::set(Policy::Usual);
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_program_starts_with_less_priority_and_its_starter_keeps_its_own() {
        let own = || rustix::process::nice(0).unwrap();
        let before = own();
        let child = spawn(Command::new("nice").stdout(Stdio::piped())).unwrap();
        let told = child.wait_with_output().unwrap().stdout;
        let told: i32 = String::from_utf8(told).unwrap().trim().parse().unwrap();
        assert_eq!(told, (before + NICENESS).min(19));
        let child = spawn(
            Command::new("cat")
                .arg("/proc/self/stat")
                .stdout(Stdio::piped()),
        )
        .unwrap();
        let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        // Its policy (proc(5), the 41st field): `SCHED_IDLE`.
        assert_eq!(told.split_whitespace().nth(40), Some("5"), "{told}");
        if rustix::process::geteuid().is_root() {
            let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, after_name) = own.rsplit_once(')').unwrap();
            assert_eq!(after_name.split_whitespace().nth(38), Some("0"), "{own}");
        }
        if rustix::process::geteuid().is_root() {
            assert_eq!(own(), before);
        }
    }
}
