//! One TCP connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::count;
use crate::programs::procedure::IoMode;
use crate::programs::{self, Outcome};
use crate::rpc::record::RecordReader;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server::thread_pool::ThreadPool;
use crate::server_state::ServerState;

/// The most calls of one connection that wait for a disk at the same time on threads of the pool.
const MAX_BLOCKED: u32 = 4;

/// A connection without a first call is closed after this time.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Large buffers are freed after this time without a call.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that reads nothing for this long is gone; it will reconnect and repeat its calls.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// What other threads may do with a connection while its own serves it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Serialises whole replies: those from the thread pool come whenever the disk is done.
    writing: Mutex<()>,
    blocked: AtomicU32,
    opened: Instant,
    last_call: AtomicU64,
    used: AtomicBool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        netroot_sys::tcp::cap_retransmission(&stream)?;
        // A machine that was switched off sends nothing more: its connection is closed after about three minutes.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
        rustix::net::sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(10))?;
        rustix::net::sockopt::set_tcp_keepcnt(&stream, 6)?;
        Ok(Self {
            stream,
            writing: Mutex::default(),
            blocked: AtomicU32::new(0),
            opened: Instant::now(),
            last_call: AtomicU64::new(0),
            used: AtomicBool::new(false),
        })
    }

    /// Closes the connection from another thread; its own notices at once.
    pub(super) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// The time without a call, in seconds.
    pub(super) fn idle(&self) -> u64 {
        let now = self.opened.elapsed().as_secs();
        now.saturating_sub(self.last_call.load(Ordering::Relaxed))
    }

    /// Whether it has not made a single call yet.
    pub(super) fn is_unused(&self) -> bool {
        !self.used.load(Ordering::Relaxed)
    }

    fn touch(&self) {
        let now = self.opened.elapsed().as_secs();
        self.last_call.store(now, Ordering::Relaxed);
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = (&self.stream).write_all(bytes);
        if sent.is_err() {
            // Half a reply may have been sent, so nothing can follow it. The queue is discarded, so that the client
            // gets a RST at once and repeats its calls on a new connection with fresh timers.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            self.close();
        }
        sent
    }
}

/// Serves a connection until it is closed.
pub(super) fn serve(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    connection: &Arc<Connection>,
    client: SocketAddr,
) {
    let mut reader = RecordReader::default();
    let mut out = ReplyBuffer::new(&state.buffers);
    let mut timeout = ReadTimeout::FirstCall;
    if connection
        .stream
        .set_read_timeout(Some(FIRST_CALL_TIMEOUT))
        .is_err()
    {
        return;
    }
    loop {
        let space = reader.space();
        match (&connection.stream).read(space) {
            Ok(0) => break,
            Ok(length) => reader.received(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) && timeout != ReadTimeout::FirstCall => {
                reader.shrink();
                out.shrink();
                timeout = ReadTimeout::None;
                if connection.stream.set_read_timeout(None).is_err() {
                    break;
                }
                continue;
            }
            Err(_) => break,
        }
        connection.touch();
        match answer_all(state, pool, connection, client, &mut reader, &mut out) {
            Ok(0) => {}
            Ok(_) => {
                connection.used.store(true, Ordering::Relaxed);
                let next = match reader.is_big() || out.is_big() {
                    true => ReadTimeout::Idle,
                    false => ReadTimeout::None,
                };
                if next != timeout {
                    let duration = (next == ReadTimeout::Idle).then_some(IDLE_TIMEOUT);
                    if connection.stream.set_read_timeout(duration).is_err() {
                        break;
                    }
                    timeout = next;
                }
            }
            Err(Closed) => break,
        }
    }
    connection.close();
}

/// The meaning of the read timeout that is set on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadTimeout {
    /// The connection is closed when it expires.
    FirstCall,
    /// Buffers are freed when it expires.
    Idle,
    None,
}

/// The connection must be closed.
struct Closed;

/// Answers every complete call; returns how many.
fn answer_all(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    connection: &Arc<Connection>,
    client: SocketAddr,
    reader: &mut RecordReader,
    out: &mut ReplyBuffer,
) -> Result<u32, Closed> {
    let mut answered = 0;
    loop {
        let message = match reader.next() {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(_) => {
                count(&state.counters.bad_records);
                let _ = connection.send(out.as_bytes());
                return Err(Closed);
            }
        };
        let record = out.begin_record();
        match programs::answer(state, client, message, out, IoMode::NonBlocking) {
            Outcome::Replied => {
                out.end_record(record);
                answered += 1;
            }
            Outcome::Ignored => out.truncate(record),
            Outcome::WouldBlock => {
                out.truncate(record);
                // Finished replies must not wait for the disk too.
                flush(connection, out)?;
                answer_blocking(state, pool, connection, client, message, out)?;
                answered += 1;
            }
        }
        if out.is_full() {
            flush(connection, out)?;
        }
    }
    flush(connection, out)?;
    Ok(answered)
}

fn flush(connection: &Connection, out: &mut ReplyBuffer) -> Result<(), Closed> {
    if out.len() > 0 {
        connection.send(out.as_bytes()).map_err(|_| Closed)?;
        out.clear();
    }
    Ok(())
}

/// Answers a call that has to wait for a disk, on a thread of the pool if one is free.
fn answer_blocking(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    connection: &Arc<Connection>,
    client: SocketAddr,
    message: &[u8],
    out: &mut ReplyBuffer,
) -> Result<(), Closed> {
    count(&state.counters.slow_reads);
    if connection.blocked.fetch_add(1, Ordering::Relaxed) < MAX_BLOCKED {
        let (state, shared, message) =
            (Arc::clone(state), Arc::clone(connection), message.to_vec());
        let job = move || {
            let mut out = ReplyBuffer::new(&state.buffers);
            answer_on_this_thread(&state, client, &message, &mut out);
            let _ = shared.send(out.as_bytes());
            shared.blocked.fetch_sub(1, Ordering::Relaxed);
        };
        return match pool.run(Box::new(job)) {
            Ok(()) => Ok(()),
            Err(job) => {
                job();
                Ok(())
            }
        };
    }
    connection.blocked.fetch_sub(1, Ordering::Relaxed);
    answer_on_this_thread(state, client, message, out);
    flush(connection, out)
}

fn answer_on_this_thread(
    state: &ServerState,
    client: SocketAddr,
    message: &[u8],
    out: &mut ReplyBuffer,
) {
    let record = out.begin_record();
    match programs::answer(state, client, message, out, IoMode::Blocking) {
        Outcome::Replied => out.end_record(record),
        Outcome::Ignored | Outcome::WouldBlock => out.truncate(record),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_client_that_reads_nothing_gets_a_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = Connection::new(listener.accept().unwrap().0).unwrap();
        let short = Some(Duration::from_millis(50));
        connection.stream.set_write_timeout(short).unwrap();
        // More than the socket buffers hold.
        let error = connection.send(&vec![0; 64 << 20]).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        drop(connection);
        let mut buffer = vec![0; 1 << 20];
        let end = loop {
            match client.read(&mut buffer) {
                Ok(0) => panic!("the connection ended without an error"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
}
