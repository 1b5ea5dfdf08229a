//! Several datagrams of a connected UDP socket in one system call.
//!
//! A TFTP server sends a window of equal blocks and receives one ACK: with a call for each block, calls are most of what it
//! costs.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

/// The most bytes that [`send_run`] takes: a UDP datagram's, of which the kernel makes several (`udp_sendmsg` in
/// net/ipv4/udp.c).
pub const LONGEST_RUN: usize = 65_507;
/// The most datagrams that [`send_run`] takes (`UDP_MAX_SEGMENTS` in include/linux/udp.h, 128 since Linux 6.9).
pub const MOST_IN_RUN: usize = 64;

/// Sends `bytes` as datagrams of `each` bytes, the last one as long as what is left (`UDP_SEGMENT`, Linux 4.18): the kernel
/// or the network card cuts them. It does not wait. At most [`LONGEST_RUN`] bytes, and [`MOST_IN_RUN`] datagrams.
///
/// # Errors
/// The kernel's. None of them was sent then. `WouldBlock`: the queue is full. [`cannot_cut`] tells the errors after which each has
/// to be sent by itself.
pub fn send_run(socket: impl AsFd, bytes: &[u8], each: u16) -> io::Result<()> {
    let segments = [ControlMessage::UdpGsoSegments(&each)];
    let is_one = bytes.len() <= usize::from(each);
    sendmsg::<SockaddrIn>(
        socket.as_fd().as_raw_fd(),
        &[IoSlice::new(bytes)],
        if is_one { &[] } else { &segments },
        MsgFlags::MSG_DONTWAIT,
        None,
    )?;
    Ok(())
}

/// Whether [`send_run`] failed because the kernel, the network card or the path cannot take a run: `EIO` where nobody computes
/// checksums, `EINVAL` where a datagram is longer than the MTU or the kernel does not know `UDP_SEGMENT`, `EMSGSIZE` where the
/// path's MTU is smaller.
#[must_use]
pub fn cannot_cut(error: &io::Error) -> bool {
    let errors = [libc::EIO, libc::EINVAL, libc::EMSGSIZE, libc::EOPNOTSUPP];
    error.raw_os_error().is_some_and(|it| errors.contains(&it))
}

/// Receives one datagram or two without waiting: how long each is, at most as long as its buffer. Without a second one the queue
/// was empty after the first, which a caller with one system call for each datagram learns from another call.
///
/// # Errors
/// The kernel's; `WouldBlock` when none is queued.
pub fn receive_two(
    socket: impl AsFd,
    first: &mut [u8],
    second: &mut [u8],
) -> io::Result<(usize, Option<usize>)> {
    let mut parts = [first, second].map(|buffer| libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    });
    // SAFETY: the all-zero value of this structure is valid: null pointers with lengths of 0, and numbers.
    let mut messages: [libc::mmsghdr; 2] = unsafe { std::mem::zeroed() };
    for (message, part) in messages.iter_mut().zip(&mut parts) {
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the kernel writes into two headers, and into the buffers that their vectors name, each as long as it says. All
    // of them are borrowed until the call returns. The kernel keeps none of the pointers.
    let arrived = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            messages.as_mut_ptr(),
            2,
            // Of another type in musl's headers than in glibc's.
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let lengths = messages.map(|message| usize::try_from(message.msg_len).unwrap_or(usize::MAX));
    let [first, second] = lengths;
    match arrived {
        1 => Ok((first, None)),
        2 => Ok((first, Some(second))),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let ends = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [one, other] = ends;
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        (one, other)
    }

    #[test]
    fn a_run_arrives_as_datagrams_of_which_the_last_is_shorter() {
        let (one, other) = pair();
        for (length, expected) in [
            (2500, &[1000, 1000, 500][..]),
            (2000, &[1000, 1000]),
            (1000, &[1000]),
            (4, &[4]),
        ] {
            let bytes: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0]).collect();
            send_run(&one, &bytes, 1000).unwrap();
            let mut arrived = Vec::new();
            for expected in expected {
                let mut buffer = [0; 2000];
                assert_eq!(other.recv(&mut buffer).unwrap(), *expected);
                arrived.extend_from_slice(&buffer[..*expected]);
            }
            assert_eq!(arrived, bytes);
        }
        let most = vec![7; LONGEST_RUN];
        send_run(&one, &most, 1472).unwrap();
        send_run(&one, &[7; 12 * MOST_IN_RUN], 12).unwrap();
        let error = send_run(&one, &vec![7; LONGEST_RUN + 1], 1472).unwrap_err();
        assert!(cannot_cut(&error), "{error}");
    }

    #[test]
    fn a_datagram_is_received_with_the_one_behind_it() {
        let (one, other) = pair();
        let (mut first, mut second) = ([0; 8], [0; 8]);
        let error = receive_two(&other, &mut first, &mut second).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        for text in ["a", "bc", "longer than the buffer"] {
            one.send(text.as_bytes()).unwrap();
        }
        let both = receive_two(&other, &mut first, &mut second).unwrap();
        assert_eq!(both, (1, Some(2)));
        assert_eq!((first[0], &second[..2]), (b'a', &b"bc"[..]));
        let last = receive_two(&other, &mut first, &mut second).unwrap();
        assert_eq!((last, &first[..]), ((8, None), &b"longer t"[..]));
        one.send(b"").unwrap();
        let empty = receive_two(&other, &mut first, &mut second).unwrap();
        assert_eq!(empty, (0, None));
    }
}
