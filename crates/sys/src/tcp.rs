//! TCP that serves machines on a bad wire.
//!
//! Where frames are lost in both directions, Linux's retransmission timer feeds itself: the sample that an
//! acknowledgement gives after a pause is as long as the pause, and the next pause is a multiple of it, up to two
//! minutes (`TCP_RTO_MAX`, `include/net/tcp.h`). A machine then reads its root in bursts with minutes between them,
//! and after a cable was out it waits as long once more. The machine's own end has no such cap: its calls are small,
//! and `tcp_thin_linear_timeouts` there made no difference (measured, 30 % loss each way).

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::net::sockopt;

/// The option's number in `include/uapi/linux/tcp.h`, since Linux 6.15; libc does not name it yet.
const TCP_RTO_MAX_MS: libc::c_int = 44;

/// The longest pause between two copies of what nobody has acknowledged. One frame in this time is no load, and a
/// machine whose wire is good again is served at once.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How long nothing may be acknowledged before the connection is given up: as long as the Linux NFS client gives it
/// (`timeo=600,retrans=2`: `xs_tcp_set_socket_timeouts` in `net/sunrpc/xprtsock.c`).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(180);

/// Caps the pauses of TCP's retransmission at [`LONGEST_PAUSE`]; on a listening socket, of every connection that it
/// accepts.
///
/// The kernel counts copies before it gives up (`tcp_retries2`: 15), so with short pauses it would give up within a
/// minute; [`GIVE_UP_AFTER`] takes the place of the count. Before Linux 6.15 pauses cannot be capped, and the
/// kernel's own limits stay.
///
/// # Errors
/// What the kernel answers, `ENOTSOCK` say. That it does not know the option is no error.
pub fn cap_retransmission(socket: impl AsFd) -> io::Result<()> {
    let pause = libc::c_int::try_from(LONGEST_PAUSE.as_millis()).unwrap_or(libc::c_int::MAX);
    let size =
        libc::socklen_t::try_from(size_of_val(&pause)).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the option's value is one `c_int` of exactly `size` bytes on this stack, which the kernel copies.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_RTO_MAX_MS,
            (&raw const pause).cast(),
            size,
        )
    };
    if result != 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOPROTOOPT) => Ok(()),
            _ => Err(error),
        };
    }
    let give_up = u32::try_from(GIVE_UP_AFTER.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(&socket, give_up)?)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The cap in milliseconds, as the kernel tells it.
    fn longest_pause(socket: impl AsFd) -> io::Result<libc::c_int> {
        let mut pause: libc::c_int = 0;
        let mut size = libc::socklen_t::try_from(size_of_val(&pause)).unwrap();
        // SAFETY: the kernel writes at most `size` bytes, those of `pause`, and how many into `size`.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::IPPROTO_TCP,
                TCP_RTO_MAX_MS,
                (&raw mut pause).cast(),
                &raw mut size,
            )
        };
        match result {
            0 => Ok(pause),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[test]
    fn a_connection_has_the_limits_of_its_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        cap_retransmission(&listener).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let give_up = match longest_pause(&accepted) {
            Ok(pause) => {
                assert_eq!(pause, 3_000);
                180_000
            }
            // Before Linux 6.15: the kernel's own limit stays where pauses cannot be capped.
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT));
                0
            }
        };
        assert_eq!(sockopt::tcp_user_timeout(&listener).unwrap(), give_up);
        assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), give_up);
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = cap_retransmission(&file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
