//! What the targets share: how an input becomes several datagrams, and a peer that answers with the input.

pub mod nfs_tree;

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use nfs3_client::io::{AsyncRead, AsyncWrite};

/// The server's address in every target.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Splits an input into pieces, each behind its length in two bytes (big-endian). The last may be short.
pub fn pieces(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        input = rest;
        Some(piece)
    })
}

/// A stream whose peer sends the input, whatever it is asked, and then closes.
pub struct Peer<'a>(pub &'a [u8]);

impl AsyncRead for Peer<'_> {
    async fn async_read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.0.len());
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

impl AsyncWrite for Peer<'_> {
    async fn async_write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        Ok(buffer.len())
    }
}

/// The value of a future that never waits, as all on a [`Peer`].
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a future on a peer in memory waits"),
    }
}
