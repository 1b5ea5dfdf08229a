//! TCP for servers whose machines are on a lossy link.
//!
//! Where frames are lost in both directions, Linux's retransmission timer feeds itself: the round-trip sample taken
//! after a pause is as long as the pause, and the next timeout is a multiple of it, up to two minutes (`TCP_RTO_MAX`,
//! `include/net/tcp.h`). A machine then reads its root in bursts with minutes between them, and after its cable was
//! unplugged it waits as long again. The client's end needs no such cap: its calls are small, and
//! `tcp_thin_linear_timeouts` there made no difference (measured, 30 % loss each way).

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::net::sockopt;

use crate::socket_option;

/// `TCP_RTO_MAX_MS` (`include/uapi/linux/tcp.h`), since Linux 6.15; not in libc yet.
const TCP_RTO_MAX_MS: libc::c_int = 44;

/// The longest retransmission timeout. One frame in this time is no load, and a machine whose link is back is served
/// at once.
pub const MAX_RTO: Duration = Duration::from_secs(3);

/// How long sent data may stay unacknowledged before the connection is closed (`TCP_USER_TIMEOUT`): as long as the
/// Linux NFS client waits (`timeo=600,retrans=2`: `xs_tcp_set_socket_timeouts` in `net/sunrpc/xprtsock.c`).
pub const USER_TIMEOUT: Duration = Duration::from_secs(180);

/// Caps TCP's retransmission timeout at [`MAX_RTO`]; on a listening socket, that of every connection it accepts.
///
/// The kernel counts retransmissions before it gives up (`tcp_retries2`: 15), so with short timeouts it would give up
/// within a minute; [`USER_TIMEOUT`] replaces the count. Before Linux 6.15 the timeout cannot be capped, and the
/// kernel's own limits remain.
///
/// # Errors
/// The kernel's, such as `ENOTSOCK`. A kernel that does not know the option is not an error.
pub fn cap_retransmission(socket: impl AsFd) -> io::Result<()> {
    let max_rto = libc::c_int::try_from(MAX_RTO.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the value of TCP_RTO_MAX_MS is one `int`.
    match unsafe { socket_option::set(socket.as_fd(), libc::IPPROTO_TCP, TCP_RTO_MAX_MS, &max_rto) }
    {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => return Ok(()),
        Err(error) => return Err(error),
    }
    let user_timeout = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(&socket, user_timeout)?)
}

/// Bounds what the kernel holds of a connection's data that it has not sent yet (`TCP_NOTSENT_LOWAT`,
/// `Documentation/networking/ip-sysctl.rst`), in bytes; on a listening socket, that of every connection it accepts.
/// Without it a client that stops reading keeps up to `tcp_wmem`'s limit, 4 MiB. What is on its way is not bounded, so the
/// rate is not either.
///
/// # Errors
/// The kernel's, such as `ENOTSOCK`.
pub fn bound_unsent(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let option = libc::TCP_NOTSENT_LOWAT;
    // SAFETY: the value of TCP_NOTSENT_LOWAT is one `int`.
    unsafe { socket_option::set(socket.as_fd(), libc::IPPROTO_TCP, option, &bytes) }
}

/// How many bytes of a connection the kernel holds that its client has not acknowledged (`SIOCOUTQ`, tcp(7)): those that
/// it has not sent yet, and those on their way.
///
/// # Errors
/// The kernel's: `ENOTTY` for what is no socket, `EINVAL` for one that listens.
pub fn unacknowledged(socket: impl AsFd) -> io::Result<u32> {
    let mut bytes: libc::c_int = 0;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: SIOCOUTQ, which is TIOCOUTQ, writes one `int`, into `bytes`.
    match unsafe { libc::ioctl(socket, libc::TIOCOUTQ, &raw mut bytes) } {
        0 => Ok(u32::try_from(bytes).unwrap_or(0)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The cap in milliseconds, as the kernel has it.
    fn max_rto(socket: impl AsFd) -> io::Result<libc::c_int> {
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
        let user_timeout = match max_rto(&accepted) {
            Ok(pause) => {
                assert_eq!(pause, 3_000);
                180_000
            }
            // Before Linux 6.15 the kernel's own limit remains.
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT));
                0
            }
        };
        assert_eq!(sockopt::tcp_user_timeout(&listener).unwrap(), user_timeout);
        assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), user_timeout);
    }

    #[test]
    fn a_client_that_reads_nothing_takes_little_of_the_kernels_memory() {
        use std::io::Write;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        bound_unsent(&listener, 128 << 10).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let mut taken = 0;
        let chunk = vec![0; 16 << 10];
        while let Ok(length) = accepted.write(&chunk) {
            taken += length;
            assert!(taken < 64 << 20, "no bound");
        }
        // The client's own kernel takes what its window allows; the rest waits here.
        let mut unsent: libc::c_int = 0;
        // SAFETY: SIOCOUTQNSD writes one `int`.
        let result = unsafe { libc::ioctl(accepted.as_raw_fd(), 0x894b, &raw mut unsent) };
        assert_eq!(result, 0);
        assert!(unsent <= 256 << 10, "{unsent} of {taken} bytes");
        let unacknowledged = unacknowledged(&accepted).unwrap();
        assert!(usize::try_from(unacknowledged).unwrap() <= taken);
        assert!(unacknowledged >= u32::try_from(unsent).unwrap());
        drop(client);
    }

    #[test]
    fn a_file_that_is_not_a_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = cap_retransmission(&file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
