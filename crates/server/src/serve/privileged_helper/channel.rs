//! Messages with descriptors over a `SOCK_SEQPACKET` pair: each is received whole, or not at all.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// The longest message, in bytes.
pub(super) const MOST_BYTES: usize = 16 << 10;
/// The most descriptors in one.
pub(super) const MOST_FILES: usize = 16;

/// A message as it was received.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) files: Vec<OwnedFd>,
}

/// Two connected ends.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// Sends a message, of 1 to [`MOST_BYTES`] bytes with at most [`MOST_FILES`] descriptors.
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    files: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(Errno::TOOBIG);
    }
    let flags = flags | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags).map(|_| ())
}

/// Receives a message; `None` once the other end is closed.
///
/// # Errors
/// `AGAIN` where `flags` say not to wait; `MSGSIZE` for a message that is too long.
pub(super) fn receive(socket: impl AsFd, flags: RecvFlags) -> Result<Option<Message>, Errno> {
    let mut bytes = vec![0; MOST_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received = rustix::net::recvmsg(socket, &mut parts, &mut control, flags)?;
    let files = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(Errno::MSGSIZE);
    }
    bytes.truncate(received.bytes);
    Ok(Some(Message { bytes, files }))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptors_and_a_closed_end_is_seen() {
        let (here, there) = pair().unwrap();
        let file = File::open("/proc/self/comm").unwrap();
        send(
            &here,
            b"text",
            &[file.as_fd(), here.as_fd()],
            SendFlags::empty(),
        )
        .unwrap();
        let message = receive(&there, RecvFlags::empty()).unwrap().unwrap();
        assert_eq!(message.bytes, b"text");
        let mut files = message.files.into_iter();
        let mut name = String::new();
        File::from(files.next().unwrap())
            .read_to_string(&mut name)
            .unwrap();
        assert!(!name.is_empty());
        assert_eq!(files.len(), 1);
        drop((files, here));
        assert!(receive(&there, RecvFlags::empty()).unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_too_long_is_an_error() {
        let (here, there) = pair().unwrap();
        send(&here, &[1; MOST_BYTES + 1], &[], SendFlags::empty()).unwrap();
        let refused = receive(&there, RecvFlags::empty()).unwrap_err();
        assert_eq!(refused, Errno::MSGSIZE);
    }
}
