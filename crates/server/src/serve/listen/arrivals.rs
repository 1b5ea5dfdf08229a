//! Waiting for the next datagram on a socket that is read by our own system call rather than the runtime's.

use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The pause after a socket has failed.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// Waits until `receive` returns a datagram, without a deadline. `waiting` is the same socket, for the runtime to wait
/// on ([`netroot_sys::readable`]).
///
/// An error does not end the wait: a pending ICMP error is cleared by reading it, and the pause is for an error that
/// persists, such as an interface that is gone.
pub(crate) async fn next<T>(
    waiting: &AsyncFd<UdpSocket>,
    mut receive: impl FnMut() -> io::Result<T>,
) -> T {
    loop {
        match waiting.async_io(Interest::READABLE, |_| receive()).await {
            Ok(arrived) => return arrived,
            Err(_) => tokio::time::sleep(AFTER_ERROR).await,
        }
    }
}

/// Does what a datagram asks for. A panic in it, such as an overflow that only this datagram causes, costs this one and
/// not the server: `None`. Rust has printed it by then. Locks are used on: none of the server's are poisoned by it.
pub(crate) fn handle<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_that_causes_a_panic_costs_itself_alone() {
        let lengths =
            [3_u8, 1, 2].map(|length| handle(|| "ab".as_bytes()[usize::from(length - 1)]));
        assert_eq!(lengths, [None, Some(b'a'), Some(b'b')]);
    }
}
