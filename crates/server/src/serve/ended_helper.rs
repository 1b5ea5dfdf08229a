//! Learning of the end of a helper process that should end after the server.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// The stack of a thread that waits, in bytes.
const STACK: usize = 64 * 1024;

/// Calls `ended` once the helper at the other end of `socket` has ended, from a thread that has the helper's `name`.
///
/// # Errors
/// There is no thread.
pub(super) fn watch(
    name: &str,
    socket: Arc<OwnedFd>,
    ended: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let watch = move || {
        // It waits for the end alone (POLLHUP), which comes with that of this process at the latest.
        let gone = loop {
            match poll(&mut [PollFd::new(&*socket, PollFlags::empty())], None) {
                Err(Errno::INTR) => {}
                done => break done.is_ok(),
            }
        };
        if gone {
            ended();
        }
    };
    let thread = thread::Builder::new().name(name.to_owned());
    thread.stack_size(STACK).spawn(watch).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

    use super::*;

    #[test]
    fn an_answer_is_no_end() {
        let (here, there) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let (sender, ends) = mpsc::channel();
        watch("test", Arc::new(here), move || sender.send(()).unwrap()).unwrap();
        rustix::net::send(&there, b"an answer", SendFlags::NOSIGNAL).unwrap();
        assert!(ends.recv_timeout(Duration::from_millis(100)).is_err());
        drop(there);
        ends.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
