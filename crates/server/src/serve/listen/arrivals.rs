//! Waiting for the next datagram on a socket that is read by our own system call rather than the runtime's.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The pause after a socket has failed.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// Waits until `receive` returns a datagram, without a deadline. `waiting` is the same socket, for the runtime to wait
/// on.
///
/// An error does not end the wait: a pending ICMP error is cleared by reading it, and the pause is for an error that
/// persists, such as an interface that is gone.
pub(crate) async fn next<T>(waiting: &UdpSocket, mut receive: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match waiting.async_io(Interest::READABLE, &mut receive).await {
            Ok(arrived) => return arrived,
            Err(_) => tokio::time::sleep(AFTER_ERROR).await,
        }
    }
}
