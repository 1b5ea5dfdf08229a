//! Starts programs that run beside the root's init.

use std::io;
use std::process::{Child, Command};

use rustix::process::{getpriority_process, setpriority_process};

/// Their niceness: the root's init is what people wait for, and with one processor the two share it.
pub(crate) const NICENESS: i32 = 10;

/// Starts a program with less priority than the root's init, from its first instruction on.
///
/// # Errors
/// Those of [`Command::spawn`].
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    // A program inherits the priority of the thread that starts it.
    let own = getpriority_process(None);
    if let Ok(own) = own {
        let _ = setpriority_process(None, own + NICENESS);
    }
    let child = command.spawn();
    if let Ok(own) = own {
        let _ = setpriority_process(None, own);
    }
    child
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
        if rustix::process::geteuid().is_root() {
            assert_eq!(own(), before);
        }
    }
}
