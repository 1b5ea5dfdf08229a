//! What the threads of this process do, as the kernel tells (`/proc/self/task/TID/stat`, proc(5)).

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::thread::{Pid, gettid};

/// Tells whether a thread of this process waits.
///
/// [`Server::start`](crate::Server::start) opens one. A program that restricts which files it opens (Landlock) before that
/// opens another one earlier, allows itself to read below [`ThreadStates::DIRECTORY`], and keeps it until the server has
/// started: Landlock's rule belongs to the inode, and procfs makes a new one where nobody holds the old one.
#[derive(Debug)]
pub struct ThreadStates {
    /// Kept open for the same reason. `None` where there is no procfs.
    directory: Option<OwnedFd>,
}

impl ThreadStates {
    /// The directory that has one directory for each thread of this process.
    pub const DIRECTORY: &str = "/proc/self/task";

    /// Opens the directory.
    #[must_use]
    pub fn open() -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(Self::DIRECTORY, flags, Mode::empty()).ok();
        Self { directory }
    }

    /// Whether states can be read. Otherwise each thread is taken to wait.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.state_of(gettid()).is_some()
    }

    /// Whether a thread of this process waits: one that only does not have its turn on the processor does not.
    pub(super) fn is_waiting(&self, thread: Pid) -> bool {
        self.state_of(thread) != Some('R')
    }

    fn state_of(&self, thread: Pid) -> Option<char> {
        let path = format!("{}/stat", thread.as_raw_nonzero());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let stat = openat(self.directory.as_ref()?, path, flags, Mode::empty()).ok()?;
        // The state is the third field, and the name before it is short.
        let mut start = [0; 256];
        let length = rustix::io::read(&stat, &mut start).ok()?;
        state(&String::from_utf8_lossy(start.get(..length)?))
    }
}

/// The state of a thread, behind its name, which may hold anything.
fn state(stat: &str) -> Option<char> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_computes_does_not_wait_and_one_that_sleeps_does() {
        let states = ThreadStates::open();
        assert!(states.are_known());
        assert!(!states.is_waiting(gettid()));
        let (tell, told) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(gettid()).unwrap();
            let _ = ends.recv();
        });
        let thread = told.recv().unwrap();
        // The test fails only by never ending.
        while !states.is_waiting(thread) {
            std::thread::yield_now();
        }
        assert!(states.state_of(thread).is_some());
        drop(end);
        sleeper.join().unwrap();
        assert_eq!(state("7 (a) R (b) S 1"), Some('S'));
        assert_eq!(state("7"), None);
    }
}
