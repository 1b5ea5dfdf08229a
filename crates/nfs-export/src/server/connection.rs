//! One TCP connection.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::counters::count;
use crate::programs::procedure::{Ends, IoMode};
use crate::programs::{self, Outcome};
use crate::rpc::record::RecordReader;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server::polling::{Pollers, Polling, Turn};
use crate::server::thread_pool::ThreadPool;
use crate::server::write_deadline::{Patience, SEND_TIMEOUT, WriteDeadline};
use crate::server_state::ServerState;

/// The most calls of one connection that wait for a disk at the same time on threads of the pool.
const MAX_BLOCKED: u32 = 4;

/// A connection without a first call is closed after this time.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A call must have arrived whole this long after its first byte. Clients send a call at once; a lost segment is
/// repeated within seconds.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a connection whose client is silent is looked at, as long as it has something to free or to wait for.
const TICK: Duration = Duration::from_secs(5);

/// What other threads may do with a connection while its own serves it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Serialises whole replies: those from the thread pool come whenever the disk is done.
    writing: Mutex<()>,
    patience: Patience,
    blocked: AtomicU32,
    opened: Instant,
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
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
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
            opened: Instant::now(),
            last_use: AtomicU64::new(0),
            used: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sending_since: AtomicU64::new(0),
        })
    }

    /// Closes the connection from another thread; its own notices at once.
    pub(super) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// The time without a call that used a file or mounted a root.
    pub(super) fn idle(&self) -> Duration {
        let last = self.last_use.load(Ordering::Relaxed);
        Duration::from_millis(self.age().saturating_sub(last))
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
            since => Duration::from_millis(self.age().saturating_sub(since)),
        }
    }

    /// Milliseconds since it was opened.
    fn age(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn note_use(&self, calls: u64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.last_use.store(self.age(), Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
    }

    /// What comes while its client is waited for awake; `None` if that is nothing, or an error that the next read has too.
    fn receive_awake(
        &self,
        space: &mut [u8],
        pollers: &Pollers,
        polling: &mut Polling,
    ) -> Option<usize> {
        let mut awake = pollers.enter(polling.longest())?;
        loop {
            match awake.turn() {
                Turn::Look => {}
                Turn::Sleep => return None,
                Turn::Displaced => {
                    polling.displaced();
                    return None;
                }
            }
            match recv(&self.stream, &mut *space, RecvFlags::DONTWAIT) {
                Ok((length, _)) => return Some(length),
                Err(Errno::AGAIN) => {}
                Err(_) => return None,
            }
        }
    }

    fn write(&self, out: &mut ReplyBuffer) -> io::Result<()> {
        let all = out.len_with_content();
        let mut deadline = WriteDeadline::new(self.patience, all);
        self.sending_since
            .store(self.age().max(1), Ordering::Relaxed);
        let followed = out.content().is_some();
        self.write_bytes(out.as_bytes(), followed, &mut deadline)?;
        if let Some((content, padding)) = out.content() {
            while content.left() > 0 {
                let sent = content.send(&self.stream, padding > 0);
                if content.left() > 0 {
                    deadline.after(sent)?;
                }
            }
            let padding = [0; 3].get(..padding).unwrap_or_default();
            self.write_bytes(padding, false, &mut deadline)?;
        }
        self.sending_since.store(0, Ordering::Relaxed);
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        self.bytes.fetch_add(all, Ordering::Relaxed);
        Ok(())
    }

    fn write_bytes(
        &self,
        mut bytes: &[u8],
        followed: bool,
        deadline: &mut WriteDeadline,
    ) -> io::Result<()> {
        let flags = match followed {
            true => SendFlags::NOSIGNAL | SendFlags::MORE,
            false => SendFlags::NOSIGNAL,
        };
        while !bytes.is_empty() {
            let sent = send(&self.stream, bytes, flags);
            if sent == Ok(bytes.len()) {
                break;
            }
            let sent = deadline.after(sent)?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn send(&self, out: &mut ReplyBuffer) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.write(out);
        if sent.is_err() {
            // Half a reply may have been sent, so nothing can follow it. The queue is discarded, so that the client
            // gets a RST at once and repeats its calls on a new connection with fresh timers.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            self.close();
        }
        sent
    }
}

/// What the connections of a server share to be served.
pub(super) struct Serving {
    /// For calls that wait for a disk.
    pub(super) pool: ThreadPool,
    /// The connections that wait awake for the next call.
    pub(super) pollers: Pollers,
}

/// Serves a connection until it is closed. `relieve` is called when its client got a shorter reply because replies to
/// others take up the memory.
pub(super) fn serve(
    state: &Arc<ServerState>,
    serving: &Serving,
    connection: &Arc<Connection>,
    client: SocketAddr,
    relieve: &dyn Fn(),
) {
    let Ok(here) = connection.stream.local_addr() else {
        return connection.close();
    };
    let ends = Ends {
        client,
        server: here.ip(),
        protocol: nfs3_types::portmap::IPPROTO_TCP,
    };
    let mut reader = RecordReader::new(state.replies.budget(), client.ip());
    let mut out = ReplyBuffer::for_socket(&state.replies, client.ip());
    let (mut called, mut record_since) = (false, None);
    let mut timeout = None;
    let (mut polling, mut replied) = (Polling::default(), Instant::now());
    loop {
        let waits = !called || record_since.is_some();
        let next = (waits || reader.holds_memory() || out.holds_memory()).then_some(TICK);
        if next != timeout {
            if connection.stream.set_read_timeout(next).is_err() {
                break;
            }
            timeout = next;
        }
        let space = reader.space();
        let received = match connection.receive_awake(space, &serving.pollers, &mut polling) {
            None => (&connection.stream).read(space),
            Some(length) => Ok(length),
        };
        match received {
            Ok(0) => break,
            Ok(length) => reader.received(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => {
                reader.shrink();
                out.shrink();
                state.listings.drop_old();
                let silent = !called && connection.opened.elapsed() >= FIRST_CALL_TIMEOUT;
                if silent || is_overdue(record_since) {
                    break;
                }
                continue;
            }
            Err(_) => break,
        }
        polling.called(replied.elapsed());
        let refused = state.replies.refused();
        match answer_all(
            state,
            &serving.pool,
            connection,
            ends,
            &mut reader,
            &mut out,
        ) {
            Ok(0) => {}
            Ok(_) => (called, record_since) = (true, None),
            Err(Closed) => break,
        }
        replied = Instant::now();
        if state.replies.refused() != refused {
            relieve();
        }
        if !reader.is_within_record() {
            record_since = None;
        } else if is_overdue(record_since) {
            break;
        } else {
            record_since = record_since.or_else(|| Some(Instant::now()));
        }
    }
    connection.close();
}

/// Whether the rest of a record has taken too long.
fn is_overdue(record_since: Option<Instant>) -> bool {
    record_since.is_some_and(|since| since.elapsed() >= RECORD_TIMEOUT)
}

/// The connection must be closed.
struct Closed;

/// Answers every complete call; returns how many.
fn answer_all(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    connection: &Arc<Connection>,
    ends: Ends,
    reader: &mut RecordReader,
    out: &mut ReplyBuffer,
) -> Result<u32, Closed> {
    let (mut answered, mut used) = (0, 0);
    loop {
        let message = match reader.next() {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(_) => {
                count(&state.counters.bad_records);
                let _ = connection.send(out);
                return Err(Closed);
            }
        };
        let record = out.begin_record();
        match programs::answer(state, ends, message, out, IoMode::NonBlocking) {
            Outcome::Replied { useful } => {
                out.end_record(record);
                answered += 1;
                used += u64::from(useful);
            }
            Outcome::Ignored => out.truncate(record),
            Outcome::WouldBlock => {
                out.truncate(record);
                // Finished replies must not wait for the disk too.
                flush(connection, out)?;
                answer_blocking(state, pool, connection, ends, message, out)?;
                answered += 1;
                used += 1;
            }
        }
        if out.is_full() {
            flush(connection, out)?;
        }
    }
    if used > 0 {
        connection.note_use(used);
    }
    flush(connection, out)?;
    Ok(answered)
}

fn flush(connection: &Connection, out: &mut ReplyBuffer) -> Result<(), Closed> {
    if out.len() > 0 {
        connection.send(out).map_err(|_| Closed)?;
    }
    out.clear();
    Ok(())
}

/// One of the calls of a connection that wait for a disk; until it is dropped, also by a panic.
struct Blocked {
    connection: Arc<Connection>,
    /// Whether the client got its reply. Otherwise it would wait for it on this connection.
    answered: bool,
}

impl Blocked {
    /// `None` when the connection has enough of them.
    fn new(connection: &Arc<Connection>) -> Option<Self> {
        let before = connection.blocked.fetch_add(1, Ordering::Relaxed);
        let free = before < MAX_BLOCKED;
        // Dropping one that is too many counts it out again; its call is answered elsewhere.
        let blocked = Self {
            connection: Arc::clone(connection),
            answered: !free,
        };
        free.then_some(blocked)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.connection.blocked.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.connection.close();
        }
    }
}

/// Answers a call that has to wait for a disk, on a thread of the pool if one is free.
fn answer_blocking(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    connection: &Arc<Connection>,
    ends: Ends,
    message: &[u8],
    out: &mut ReplyBuffer,
) -> Result<(), Closed> {
    count(&state.counters.slow_reads);
    let Some(mut blocked) = Blocked::new(connection) else {
        answer_on_this_thread(state, ends, message, out);
        return flush(connection, out);
    };
    let (state, message) = (Arc::clone(state), message.to_vec());
    let job = move || {
        let mut out = ReplyBuffer::for_socket(&state.replies, ends.client.ip());
        answer_on_this_thread(&state, ends, &message, &mut out);
        blocked.answered = blocked.connection.send(&mut out).is_ok();
    };
    if let Err(job) = pool.run(Box::new(job)) {
        job();
    }
    Ok(())
}

fn answer_on_this_thread(state: &ServerState, ends: Ends, message: &[u8], out: &mut ReplyBuffer) {
    let record = out.begin_record();
    match programs::answer(state, ends, message, out, IoMode::Blocking) {
        Outcome::Replied { .. } => out.end_record(record),
        Outcome::Ignored | Outcome::WouldBlock => out.truncate(record),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

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
        let short = Some(Duration::from_millis(50));
        connection.stream.set_write_timeout(short).unwrap();
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
    };

    #[test]
    fn a_client_that_reads_nothing_gets_a_reset() {
        let (connection, mut client) = connected(IMPATIENT);
        let memory = Arc::default();
        let mut out = ReplyBuffer::new(&memory, ONE);
        out.extend(1 << 20);
        let error = connection.send(&mut out).unwrap_err();
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
        let error = connection.send(&mut out).unwrap_err();
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
        // No system call that sends runs out of this time without having sent something.
        let long = Some(Duration::from_millis(250));
        connection.stream.set_write_timeout(long).unwrap();
        let (memory, bytes) = (Arc::default(), bytes());
        let (mut out, _file) = spliced(&memory, &bytes);
        std::thread::scope(|scope| {
            // It would need 5 s.
            let read = scope.spawn(|| read_to_reset(&mut client, Duration::from_millis(20)));
            let error = connection.send(&mut out).unwrap_err();
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
                connection.send(&mut out).unwrap();
                out.clear();
                out.push(b"next");
                connection.send(&mut out).unwrap();
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
