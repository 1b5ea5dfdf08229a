//! Asking the kernel by netlink(7): a request, and the messages of its answer, with a deadline.

use std::io;
use std::os::fd::OwnedFd;

use netroot_proto::netlink::{Message, error_number, messages};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Sends a request. What is left of an answer that was given up is dropped before.
///
/// # Errors
/// The kernel's.
pub(crate) fn send(socket: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    while rustix::net::recv(socket, &mut [0; 64][..], RecvFlags::DONTWAIT).is_ok() {}
    rustix::net::send(socket, bytes, SendFlags::empty())?;
    Ok(())
}

/// Receives messages, in datagrams of `longest` bytes at most, until `is_last` says so, or fails.
///
/// # Errors
/// The kernel's, `TimedOut` if none comes for as long as `patience`, and those of `is_last`.
pub(crate) fn receive(
    socket: &OwnedFd,
    patience: &Timespec,
    longest: usize,
    mut is_last: impl FnMut(&Message<'_>) -> io::Result<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; longest];
    loop {
        if poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(patience))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let length = match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        for message in messages(buffer.get(..length).unwrap_or_default()) {
            if is_last(&message)? {
                return Ok(());
            }
        }
    }
}

/// The error of an `NLMSG_ERROR` message; `None` for an acknowledgement.
pub(crate) fn refused(message: &Message<'_>) -> Option<io::Error> {
    let number = error_number(message.body).unwrap_or(0).saturating_neg();
    (number != 0).then(|| io::Error::from_raw_os_error(number))
}
