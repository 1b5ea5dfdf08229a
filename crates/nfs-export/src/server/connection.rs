//! One TCP connection: what the thread that serves its calls ([`calls`](super::calls)) and others may do with it.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::coarse_time;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::rpc::reply_content::{MOST_SENT, MOST_SENT_SLOWLY};
use crate::server::write_deadline::{Patience, SEND_TIMEOUT, WriteDeadline};

/// The most calls of one connection that wait for a disk at the same time on threads of the pool.
const MAX_BLOCKED: u32 = 4;

/// What other threads may do with a connection while one serves its calls. No system call on it waits (but see [`Connection::new`]), but
/// [`Connection::send`] does for the client to read.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Serialises whole replies: those from the thread pool come whenever the disk is done.
    writing: Mutex<()>,
    patience: Patience,
    blocked: AtomicU32,
    /// By [`coarse_time`].
    opened: Duration,
    /// When a call last used a file or mounted a root, in milliseconds after `opened`.
    last_use: AtomicU64,
    used: AtomicBool,
    /// Calls that used a file or mounted a root.
    calls: AtomicU64,
    /// Bytes of replies.
    bytes: AtomicU64,
    /// When the replies that are being sent were begun, in milliseconds after `opened`; 0 for none.
    sending_since: AtomicU64,
}

impl Connection {
    /// From Linux 6.5 to 6.6 splice(2) to a socket waits nevertheless: for [`SEND_TIMEOUT`] at most.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        netroot_sys::tcp::cap_retransmission(&stream)?;
        // A machine that was switched off sends nothing more: its connection is closed after about three minutes.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
        rustix::net::sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(10))?;
        rustix::net::sockopt::set_tcp_keepcnt(&stream, 6)?;
        Ok(Self {
            stream,
            writing: Mutex::default(),
            patience: Patience::default(),
            blocked: AtomicU32::new(0),
            opened: coarse_time::now(),
            last_use: AtomicU64::new(0),
            used: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sending_since: AtomicU64::new(0),
        })
    }

    /// Closes the connection from any thread; the event loop notices at once.
    pub(super) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// The time without a call that used a file or mounted a root.
    pub(super) fn idle(&self) -> Duration {
        let last = self.last_use.load(Ordering::Relaxed);
        Duration::from_millis(self.age_ms().saturating_sub(last))
    }

    /// Whether it has not used a file or mounted a root yet.
    pub(super) fn is_unused(&self) -> bool {
        !self.used.load(Ordering::Relaxed)
    }

    /// How many calls used a file or mounted a root, and how many bytes were sent in replies.
    pub(super) fn amounts(&self) -> (u64, u64) {
        let [calls, bytes] = [&self.calls, &self.bytes].map(|it| it.load(Ordering::Relaxed));
        (calls, bytes)
    }

    /// How long its client has been taking to read the replies that are being sent.
    pub(super) fn stalled(&self) -> Duration {
        match self.sending_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.age_ms().saturating_sub(since)),
        }
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        coarse_time::now().saturating_sub(self.opened)
    }

    /// The same in milliseconds.
    fn age_ms(&self) -> u64 {
        u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Counts a call that waits for a disk until [`Connection::unblock`]; whether there are few enough of them.
    pub(super) fn block(&self) -> bool {
        self.blocked.fetch_add(1, Ordering::Relaxed) < MAX_BLOCKED
    }

    pub(super) fn unblock(&self) {
        self.blocked.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn note_use(&self, calls: u64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.last_use.store(self.age_ms(), Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
    }

    fn write(
        &self,
        out: &mut ReplyBuffer,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let all = out.len_with_content();
        let mut writing = Writing {
            connection: self,
            all,
            deadline: None,
            may_wait,
        };
        let followed = out.content().is_some();
        writing.bytes(out.as_bytes(), followed)?;
        if let Some((content, padding)) = out.content() {
            while content.left() > 0 {
                let sent = content.send(&self.stream, writing.most(), padding > 0);
                if content.left() > 0 {
                    writing.after(sent)?;
                }
            }
            let padding = [0; 3].get(..padding).unwrap_or_default();
            writing.bytes(padding, false)?;
        }
        if writing.deadline.is_some() {
            self.sending_since.store(0, Ordering::Relaxed);
        }
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        self.bytes.fetch_add(all, Ordering::Relaxed);
        Ok(())
    }

    /// Sends replies. `may_wait` is called, perhaps several times, before this waits for the client to read what there is. If
    /// that fails the connection is closed.
    pub(super) fn send(
        &self,
        out: &mut ReplyBuffer,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let _turn = match self.writing.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                may_wait().inspect_err(|_| self.close())?;
                self.writing.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let sent = self.write(out, may_wait);
        if sent.is_err() {
            // Half a reply may have been sent, so nothing can follow it. The queue is discarded, so that the client
            // gets a RST at once and repeats its calls on a new connection with fresh timers.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            self.close();
        }
        sent
    }
}

/// Replies that are being sent.
struct Writing<'a> {
    connection: &'a Connection,
    /// How many bytes are sent in total.
    all: usize,
    /// Once the client has not taken everything at once.
    deadline: Option<WriteDeadline>,
    may_wait: &'a dyn Fn() -> io::Result<()>,
}

impl Writing<'_> {
    fn bytes(&mut self, mut bytes: &[u8], followed: bool) -> io::Result<()> {
        let flags = match followed {
            true => SendFlags::NOSIGNAL | SendFlags::MORE,
            false => SendFlags::NOSIGNAL,
        };
        while !bytes.is_empty() {
            let sent = send(&self.connection.stream, bytes, flags);
            if sent == Ok(bytes.len()) {
                break;
            }
            let sent = self.after(sent)?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// The most bytes of content for the next system call.
    fn most(&self) -> usize {
        let slow = self.deadline.as_ref().is_some_and(WriteDeadline::is_slow);
        if slow { MOST_SENT_SLOWLY } else { MOST_SENT }
    }

    /// After a system call that did not send everything: waits, if that is due, and returns how many bytes it sent.
    fn after(&mut self, sent: Result<usize, Errno>) -> io::Result<usize> {
        let connection = self.connection;
        let deadline = self.deadline.get_or_insert_with(|| {
            let now = connection.age_ms().max(1);
            connection.sending_since.store(now, Ordering::Relaxed);
            WriteDeadline::new(connection.patience, self.all)
        });
        let waits = sent == Err(Errno::AGAIN);
        let sent = deadline.after(sent)?;
        if waits {
            (self.may_wait)()?;
            let timeout = Timespec::try_from(connection.patience.look).ok();
            let fd = PollFd::new(&connection.stream, PollFlags::OUT);
            // What is wrong the next call tells.
            let _ = poll(&mut [fd], timeout.as_ref());
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

    use super::*;
    use crate::rpc::reply_memory::ReplyMemory;

    const ONE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A connection that holds little in the kernel's buffers, with its client, of which this is expected.
    fn connected(patience: Patience) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        sockopt::set_socket_send_buffer_size(&listener, 16 * 1024).unwrap();
        let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&client, 16 * 1024).unwrap();
        connect(&client, &listener.local_addr().unwrap()).unwrap();
        let mut connection = Connection::new(listener.accept().unwrap().0).unwrap();
        connection.patience = patience;
        (connection, client.into())
    }

    fn bytes() -> Vec<u8> {
        (0..1_000_003_u32).map(|at| (at % 251) as u8).collect()
    }

    /// A reply with these bytes in a pipe, and their file.
    fn spliced(memory: &Arc<ReplyMemory>, bytes: &[u8]) -> (ReplyBuffer, File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut out = ReplyBuffer::for_socket(memory, ONE);
        let record = out.begin_record();
        assert!(out.splice(file.as_fd(), 0, bytes.len()).is_ok());
        out.push(b"head");
        out.end_record(record);
        (out, file)
    }

    /// Reads until the connection is reset; returns how many bytes there were.
    fn read_to_reset(client: &mut TcpStream, pause: Duration) -> usize {
        let (mut buffer, mut all) = ([0; 4096], 0);
        loop {
            match client.read(&mut buffer) {
                Ok(0) => panic!("the connection ended without an error"),
                Ok(length) => all += length,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    return all;
                }
            }
            std::thread::sleep(pause);
        }
    }

    const IMPATIENT: Patience = Patience {
        silent: Duration::from_millis(200),
        min_rate: usize::MAX,
        look: Duration::from_millis(50),
    };

    #[test]
    fn a_client_that_reads_nothing_gets_a_reset() {
        let (connection, mut client) = connected(IMPATIENT);
        let memory = Arc::default();
        let mut out = ReplyBuffer::new(&memory, ONE);
        out.extend(1 << 20);
        let error = connection.send(&mut out, &|| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(connection);
        assert!(read_to_reset(&mut client, Duration::ZERO) < 1 << 20);
    }

    #[test]
    fn a_client_that_reads_nothing_of_a_file_gets_a_reset_and_its_pipe_is_free() {
        let (connection, mut client) = connected(IMPATIENT);
        let (memory, bytes) = (Arc::default(), bytes());
        let (mut out, _file) = spliced(&memory, &bytes);
        assert!(memory.pipes().charged() > 0);
        let error = connection.send(&mut out, &|| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        out.clear();
        assert_eq!(memory.pipes().charged(), 0);
        assert!(connection.stalled() > Duration::ZERO);
        drop(connection);
        assert!(read_to_reset(&mut client, Duration::ZERO) < bytes.len());
    }

    #[test]
    fn a_client_that_reads_a_file_too_slowly_gets_a_reset() {
        let (connection, mut client) = connected(IMPATIENT);
        let (memory, bytes) = (Arc::default(), bytes());
        let (mut out, _file) = spliced(&memory, &bytes);
        std::thread::scope(|scope| {
            // It would need 5 s.
            let read = scope.spawn(|| read_to_reset(&mut client, Duration::from_millis(20)));
            let error = connection.send(&mut out, &|| Ok(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            drop(connection);
            assert!(read.join().unwrap() < bytes.len());
        });
    }

    #[test]
    fn a_file_that_is_truncated_once_it_is_in_the_pipe_is_as_long_as_the_reply_says() {
        let (connection, mut client) = connected(Patience::default());
        let (memory, bytes) = (Arc::default(), bytes());
        let (mut out, file) = spliced(&memory, &bytes);
        file.set_len(10).unwrap();
        let (mut mark, mut rest) = ([0; 4], vec![0; 4 + bytes.len() + 1]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                connection.send(&mut out, &|| Ok(())).unwrap();
                out.clear();
                out.push(b"next");
                connection.send(&mut out, &|| Ok(())).unwrap();
            });
            client.read_exact(&mut mark).unwrap();
            assert_eq!(
                u32::from_be_bytes(mark),
                0x8000_0000 + u32::try_from(rest.len()).unwrap()
            );
            client.read_exact(&mut rest).unwrap();
            assert!(rest.starts_with(b"head\0\x01\x02"));
            // The padding, and the next reply.
            assert_eq!(rest.last(), Some(&0));
            client.read_exact(&mut mark).unwrap();
            assert_eq!(&mark, b"next");
        });
    }
}
