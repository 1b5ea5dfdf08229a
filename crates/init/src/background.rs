//! Starts programs that run beside the root's init.

use std::io;
use std::process::{Child, Command};

use netroot_sys::scheduling::{self, Policy};

/// Their niceness: the root's init is what people wait for, and with one processor the two share it.
pub(crate) const NICENESS: i32 = 10;

/// Starts a program that runs only while nothing else would, until it calls [`begin`]: otherwise it could run before the
/// root's init, which starts next, has begun.
///
/// # Errors
/// Those of [`Command::spawn`].
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    // A program inherits how the thread that starts it is scheduled. That thread waits for the program's exec: while something
    // else keeps the only processor busy, the last modules or what is read ahead, both wait.
    let _ = scheduling::set(Policy::Idle);
    let child = command.spawn();
    let _ = scheduling::set(Policy::Usual);
    child
}

/// Has this process, which [`spawn`] started, take a small share of the processor from now on: what it does is waited for, too.
pub(crate) fn begin() {
    let _ = rustix::process::nice(NICENESS);
    // If that fails, it goes on with less.
    let _ = scheduling::set(Policy::Usual);
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_program_starts_when_nothing_else_would_run_and_its_starter_stays_as_it_is() {
        let mut command = Command::new("cat");
        let child = spawn(command.arg("/proc/self/stat").stdout(Stdio::piped())).unwrap();
        let told = child.wait_with_output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        assert_eq!(Policy::of_stat(&told), Some(Policy::Idle), "{told}");
        if rustix::process::geteuid().is_root() {
            let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            assert_eq!(Policy::of_stat(&own), Some(Policy::Usual), "{own}");
        }
    }

    #[test]
    fn a_program_that_has_begun_runs_with_less_priority_than_others() {
        std::thread::spawn(|| {
            let before = rustix::process::nice(0).unwrap();
            let _ = scheduling::set(Policy::Idle);
            begin();
            assert_eq!(
                rustix::process::nice(0).unwrap(),
                (before + NICENESS).min(19)
            );
        })
        .join()
        .unwrap();
    }
}
