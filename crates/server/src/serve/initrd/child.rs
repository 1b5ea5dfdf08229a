//! A child process that is not trusted: waited for until a deadline, and heard only so long.

use std::io::{self, Read};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How much of what it says is kept, in bytes: some hundred lines.
const HEARD: usize = 16 << 10;

/// A child whose standard error is a pipe. It is killed when this is dropped: a server that fails to start leaves no
/// process behind.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl Child {
    pub(super) fn new(child: std::process::Child) -> Self {
        Self(child)
    }

    /// Waits for its end. Returns the first part of what it wrote to its standard error.
    ///
    /// # Errors
    /// `TimedOut` if it still runs at the deadline; it is killed then.
    pub(super) fn finish(mut self, deadline: Instant) -> io::Result<(ExitStatus, String)> {
        let mut said = Vec::new();
        if let Some(mut pipe) = self.0.stderr.take() {
            let mut part = [0; 4096];
            loop {
                wait_for(&pipe, deadline)?;
                let part = match pipe.read(&mut part)? {
                    0 => break,
                    read => part.get(..read).unwrap_or_default(),
                };
                let room = HEARD.saturating_sub(said.len());
                said.extend_from_slice(part.get(..room).unwrap_or(part));
            }
        }
        // It may have closed the pipe and go on.
        let status = loop {
            if let Some(status) = self.0.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                return Err(late());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ok((status, String::from_utf8_lossy(&said).into_owned()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(pipe: &impl std::os::fd::AsFd, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A child that always has more to say is never waited for.
    if left.is_zero() {
        return Err(late());
    }
    let timeout = Timespec::try_from(left).map_err(|_| late())?;
    let mut pipe = [PollFd::new(pipe, PollFlags::IN)];
    match poll(&mut pipe, Some(&timeout)) {
        Ok(0) => Err(late()),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn late() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "it did not end in time and was killed; its root may be damaged or hostile",
    )
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        let child = command.args(["-c", script]).stderr(Stdio::piped());
        Child::new(child.spawn().unwrap())
    }

    #[test]
    fn a_child_is_heard_only_so_long() {
        let child = shell("yes >&2 & yes | head -c 1000000 >&2; kill $!; exit 3");
        let deadline = Instant::now() + Duration::from_secs(60);
        let (status, said) = child.finish(deadline).unwrap();
        assert_eq!((status.code(), said.len()), (Some(3), HEARD));
    }

    #[test]
    fn a_child_that_goes_on_is_killed_at_the_deadline_whether_or_not_it_is_silent() {
        for script in [
            "exec sleep 1000",
            "exec 2>&-; exec sleep 1000",
            "exec yes >&2",
        ] {
            let child = shell(script);
            let id = child.0.id();
            let error = child
                .finish(Instant::now() + Duration::from_millis(50))
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
            assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
        }
    }
}
