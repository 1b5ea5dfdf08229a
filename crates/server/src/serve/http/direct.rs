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
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::unsent::Bound;

/// The most that is handed over at a time, in bytes.
pub(super) const PART: usize = 2 << 20;

/// How much of files a connection is sent before it is the next one's turn, in bytes.
const TURN: usize = 2 << 20;

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
    /// How many more are left of the answer, which are not handed over yet.
    behind: u64,
}

impl Part {
    /// What is left of the answer.
    fn all_left(&self) -> u64 {
        let left = u64::try_from(self.left).unwrap_or(u64::MAX);
        left.saturating_add(self.behind)
    }
}

impl Parts {
    /// Hands over `length` bytes of a file from `position` on, [`PART`] at most, of an answer of which `left` bytes are left.
    /// What is returned stands for them.
    ///
    /// # Errors
    /// What was handed over before is not sent.
    pub(super) fn put(
        &self,
        file: &Arc<File>,
        position: u64,
        length: usize,
        left: u64,
    ) -> io::Result<Bytes> {
        let stands_in = STAND_IN.get(..length).unwrap_or(&STAND_IN);
        let mut parts = self.lock();
        if parts.len() >= WAITING {
            return Err(io::Error::other("the parts of files are not sent"));
        }
        parts.push_back(Part {
            file: Arc::clone(file),
            position,
            left: stands_in.len(),
            behind: left.saturating_sub(u64::try_from(length).unwrap_or(left)),
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
    socket: Arc<TcpStream>,
    activity: Arc<Activity>,
    parts: Arc<Parts>,
    bound: Bound,
    /// What was sent of files since it was another's turn.
    turn: usize,
}

impl DirectStream {
    /// Over `socket`, as `activity`.
    pub(super) fn new(socket: TcpStream, activity: Arc<Activity>, bound: Bound) -> Self {
        Self {
            socket: Arc::new(socket),
            activity,
            parts: Arc::default(),
            bound,
            turn: 0,
        }
    }

    /// What it does.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// Where bodies hand over their parts.
    pub(super) fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts)
    }

    /// Its socket.
    pub(super) fn socket(&self) -> Arc<TcpStream> {
        Arc::clone(&self.socket)
    }

    /// Sends of the first part, of which `left` bytes are asked for.
    fn poll_send(&mut self, context: &mut Context<'_>, left: usize) -> Poll<io::Result<usize>> {
        if self.turn >= TURN {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.socket.poll_write_ready(context)?.is_pending() {
                self.turn = 0;
                return Poll::Pending;
            }
            let parts = Arc::clone(&self.parts);
            let mut parts = parts.lock();
            let Some(part) = parts.front_mut().filter(|part| part.left == left) else {
                return Poll::Ready(Err(io::Error::other("no part of a file is to be sent")));
            };
            let of_answer = part.all_left();
            let sendable = self.bound.sendable(&self.socket, of_answer);
            let most = usize::try_from(sendable).map_or(part.left, |most| most.min(part.left));
            let mut sent = 0;
            let tried = self.socket.try_io(Interest::WRITABLE, || {
                let position = Some(&mut part.position);
                sent = rustix::fs::sendfile(&self.socket, &part.file, position, most)?;
                // To ask costs less than to try again.
                if 0 < sent && sent < most && !is_writable(&self.socket) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match tried {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) if sent == 0 => continue,
                // The file is shorter by now.
                Ok(()) if sent == 0 => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                _ => {}
            }
            part.left = part.left.saturating_sub(sent);
            let of_answer = part.all_left();
            if part.left == 0 {
                parts.pop_front();
            }
            self.bound.sent(sent, of_answer);
            self.turn = self.turn.saturating_add(sent);
            self.activity.wrote(sent);
            return Poll::Ready(Ok(sent));
        }
    }

    /// Writes bytes by `write`, as soon as the kernel takes some.
    fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        // What is read from a disk: nobody tells whether it is the end of the answer.
        let may_end = self.parts.lock().is_empty();
        if may_end {
            self.bound.before_bytes(&self.socket);
        }
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            match write(&self.socket) {
                Ok(written) => {
                    if may_end {
                        self.bound.sent_bytes();
                    }
                    self.activity.wrote(written);
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Whether the kernel takes more now. If not, it tells when it does.
fn is_writable(socket: &TcpStream) -> bool {
    let mut ends = [PollFd::new(socket, PollFlags::OUT)];
    let now = Timespec::default();
    !matches!(poll(&mut ends, Some(&now)), Ok(0))
}

impl Drop for DirectStream {
    fn drop(&mut self) {
        // A client that reads nothing would otherwise keep its share of the kernel's memory for minutes. Where more than
        // anybody's waits, the answer is not complete: its end is sent when no more than that is left.
        if self.activity.is_aborted() || self.bound.is_raised() {
            let _ = self.socket.set_zero_linger();
        }
    }
}

impl AsyncRead for DirectStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            match self.socket.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
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
        self.poll_bytes(context, |socket| socket.try_write(bytes))
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
        self.poll_bytes(context, |socket| socket.try_write_vectored(before))
    }

    // hyper copies every answer into one buffer without it.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write);
        Poll::Ready(Ok(ended?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::super::unsent::tests::{enough, sampled};
    use super::*;

    /// hyper's way to write an answer, whose last `read` bytes are not in the page cache, and to close the connection.
    async fn send(mut stream: DirectStream, file: &Arc<File>, length: usize, read: usize) {
        let direct = length - read;
        let mut position = 0;
        while position < direct {
            let most = PART.min(direct - position);
            let (from, left) = (position as u64, (length - position) as u64);
            let part = stream.parts().put(file, from, most, left).unwrap();
            stream.write_all(&part).await.unwrap();
            position += most;
        }
        assert_eq!(stream.bound.is_raised(), read > 0);
        stream.write_all(&vec![7; read]).await.unwrap();
        assert!(!stream.bound.is_raised());
        stream.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_slow_client_has_the_whole_answer_whose_end_is_read_from_a_disk() {
        const LENGTH: usize = 6 << 20;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; LENGTH]).unwrap();
        let file = Arc::new(file);
        for read in [0, 1000, 64 << 10, 1 << 20] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            // Nearly everything waits on the server's side.
            socket.set_recv_buffer_size(4096).unwrap();
            let client = socket.connect(listener.local_addr().unwrap()).await;
            let (mut client, (server, _)) = (client.unwrap(), listener.accept().await.unwrap());
            let bound = sampled(&enough(), &server, 1);
            let activity = Arc::new(Activity::new(Instant::now()));
            let stream = DirectStream::new(server, activity, bound);
            let sending = tokio::spawn({
                let file = Arc::clone(&file);
                async move { send(stream, &file, LENGTH, read).await }
            });
            let (mut taken, mut buffer) = (0, vec![0; 16 << 10]);
            loop {
                match client.read(&mut buffer).await.unwrap() {
                    0 => break,
                    some => taken += some,
                }
            }
            sending.await.unwrap();
            assert_eq!(taken, LENGTH, "{read} bytes by a read");
        }
    }
}
