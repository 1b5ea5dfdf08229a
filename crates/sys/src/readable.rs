//! A UDP socket that the runtime waits to receive from, and for nothing else.
//!
//! `tokio::net::UdpSocket` also waits for room to send. The kernel announces room for every datagram that has left
//! (`sock_def_write_space` in net/core/sock.c), which wakes the runtime once more for each.

use std::io;
use std::net::UdpSocket;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a non-blocking socket with the runtime that this is called in.
///
/// # Errors
/// The kernel's, when it is out of memory for that.
///
/// # Panics
/// Outside a runtime that waits for files.
pub fn udp(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: `socket` owns its descriptor, gives the same one each time, and closes it when it is dropped, with the `AsyncFd`
    // that owns it.
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    registered.map_err(Into::into)
}
