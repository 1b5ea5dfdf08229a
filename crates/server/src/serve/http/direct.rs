//! Files that the kernel sends by itself (`sendfile(2)`), from its page cache to the socket without a copy.
//!
//! hyper takes bodies as bytes. A body that lets the kernel send a part of its file yields as many bytes of [`STAND_IN`],
//! which are never sent: where [`DirectStream`] is asked to write them, it sends the part. They are known by their address,
//! since hyper writes the very slices that it was given as long as the stream has vectored writes. Should it ever copy them,
//! parts would be left over, and the connection is closed before a byte of them is sent ([`Parts::put`]).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The most that is handed over at a time, in bytes.
pub(super) const PART: usize = 256 << 10;

/// Stands for a part of a file. Never read: it takes no memory.
static STAND_IN: [u8; PART] = [0; PART];

/// How many parts of one connection may wait: hyper asks for the next body's when less than its buffer is left.
const WAITING: usize = 4;

/// The parts that a connection's bodies have handed over, in the order in which they are sent.
#[derive(Debug, Default)]
pub(super) struct Parts(Mutex<VecDeque<Part>>);

/// A part of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    /// The position of its next byte.
    position: u64,
    /// How many bytes are left, at least one.
    left: usize,
}

impl Parts {
    /// Hands over `length` bytes of a file from `position` on, [`PART`] at most. What is returned stands for them.
    ///
    /// # Errors
    /// What was handed over before is not sent.
    pub(super) fn put(&self, file: &Arc<File>, position: u64, length: usize) -> io::Result<Bytes> {
        let stands_in = STAND_IN.get(..length).unwrap_or(&STAND_IN);
        let mut parts = self.lock();
        if parts.len() >= WAITING {
            return Err(io::Error::other("the parts of files are not sent"));
        }
        parts.push_back(Part {
            file: Arc::clone(file),
            position,
            left: stands_in.len(),
        });
        Ok(Bytes::from_static(stands_in))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these bytes stand for a part of a file.
fn stands_in(bytes: &[u8]) -> bool {
    !bytes.is_empty() && STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// A connection on which the kernel sends files.
#[derive(Debug)]
pub(super) struct DirectStream {
    stream: TcpStream,
    parts: Arc<Parts>,
}

impl DirectStream {
    /// Over `stream`.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            parts: Arc::default(),
        }
    }

    /// Where bodies hand over their parts.
    pub(super) fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts)
    }

    /// What waits in the kernel is thrown away when the connection is closed.
    pub(super) fn set_zero_linger(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Sends of the first part, of which `left` bytes are asked for.
    fn poll_send(&self, context: &mut Context<'_>, left: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let mut parts = self.parts.lock();
            let Some(part) = parts.front_mut().filter(|part| part.left == left) else {
                return Poll::Ready(Err(io::Error::other("no part of a file is to be sent")));
            };
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                let (file, position) = (&part.file, &mut part.position);
                Ok(rustix::fs::sendfile(
                    &self.stream,
                    file,
                    Some(position),
                    part.left,
                )?)
            });
            match sent {
                // The file is shorter by now.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.left = part.left.saturating_sub(sent);
                    if part.left == 0 {
                        parts.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for DirectStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for DirectStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if stands_in(bytes) {
            return self.poll_send(context, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(part) = first.filter(|slice| stands_in(slice)) {
            return self.poll_send(context, part.len());
        }
        let end = slices.iter().position(|slice| stands_in(slice));
        let before = end.and_then(|end| slices.get(..end)).unwrap_or(slices);
        Pin::new(&mut self.stream).poll_write_vectored(context, before)
    }

    // hyper copies every answer into one buffer without it.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
