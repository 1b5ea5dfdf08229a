//! The wait for the next datagram on a socket whose way of receiving the runtime does not know.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;

/// How long a socket that fails is left alone.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// What `receive` returns once it can: `waiting` is the same socket, for the runtime to wait on. Without a deadline:
/// a server has all day.
///
/// An error does not end the wait: a pending one of some client's host (ICMP) is cleared by reading it, and the
/// pause is for one that is not, such as an interface that has gone.
pub(crate) async fn next<T>(waiting: &UdpSocket, mut receive: impl FnMut() -> io::Result<T>) -> T {
    loop {
        match waiting.async_io(Interest::READABLE, &mut receive).await {
            Ok(arrived) => return arrived,
            Err(_) => tokio::time::sleep(AFTER_ERROR).await,
        }
    }
}
