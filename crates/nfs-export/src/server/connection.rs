//! One client's TCP connection.

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

/// The most calls of one connection that wait for the disk at the same time.
const MOST_ASIDE: u32 = 4;

/// Without a first call, a connection is not worth its thread for longer.
const FIRST_CALL: Duration = Duration::from_secs(30);

/// After this much silence big buffers are given back.
const SILENCE: Duration = Duration::from_secs(5);

/// A client that takes nothing for this long is gone; it will connect again and ask again.
const STUCK: Duration = Duration::from_secs(60);

/// What others may do to a connection while its thread serves it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Serialises whole replies: those of calls set aside come whenever the disk is done.
    writing: Mutex<()>,
    aside: AtomicU32,
    opened: Instant,
    last_call: AtomicU64,
    used: AtomicBool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STUCK))?;
        netroot_sys::tcp::cap_retransmission(&stream)?;
        // A machine that was switched off says nothing: after about three minutes its connection is closed.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60))?;
        rustix::net::sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(10))?;
        rustix::net::sockopt::set_tcp_keepcnt(&stream, 6)?;
        Ok(Self {
            stream,
            writing: Mutex::default(),
            aside: AtomicU32::new(0),
            opened: Instant::now(),
            last_call: AtomicU64::new(0),
            used: AtomicBool::new(false),
        })
    }

    /// Ends the connection from outside; its thread notices at once.
    pub(crate) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// How long it has been silent, in seconds.
    pub(crate) fn idle(&self) -> u64 {
        let now = self.opened.elapsed().as_secs();
        now.saturating_sub(self.last_call.load(Ordering::Relaxed))
    }

    /// Whether it has not brought a single call yet.
    pub(crate) fn is_unused(&self) -> bool {
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
            // Half a reply may be out: nothing that follows would be understood. What is queued is not worth waiting
            // for, so that the client hears at once (RST) and asks again on a connection whose timers are new.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            self.close();
        }
        sent
    }
}

/// Serves one connection until it ends.
pub(crate) fn serve(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    line: &Arc<Connection>,
    client: SocketAddr,
) {
    let mut inbox = RecordReader::default();
    let mut out = ReplyBuffer::new(&state.buffers);
    let mut waiting = Waiting::FirstCall;
    if line.stream.set_read_timeout(Some(FIRST_CALL)).is_err() {
        return;
    }
    loop {
        let room = inbox.room();
        match (&line.stream).read(room) {
            Ok(0) => break,
            Ok(length) => inbox.received(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) && waiting != Waiting::FirstCall => {
                inbox.shrink();
                out.shrink();
                waiting = Waiting::Patiently;
                if line.stream.set_read_timeout(None).is_err() {
                    break;
                }
                continue;
            }
            Err(_) => break,
        }
        line.touch();
        match answer_all(state, pool, line, client, &mut inbox, &mut out) {
            Ok(0) => {}
            Ok(_) => {
                line.used.store(true, Ordering::Relaxed);
                let next = match inbox.is_big() || out.is_big() {
                    true => Waiting::ToShrink,
                    false => Waiting::Patiently,
                };
                if next != waiting {
                    let timeout = (next == Waiting::ToShrink).then_some(SILENCE);
                    if line.stream.set_read_timeout(timeout).is_err() {
                        break;
                    }
                    waiting = next;
                }
            }
            Err(End) => break,
        }
    }
    line.close();
}

/// What the read timeout of the socket stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    FirstCall,
    ToShrink,
    Patiently,
}

/// The connection is of no more use.
struct End;

/// Answers every call that is there in full; returns how many.
fn answer_all(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    line: &Arc<Connection>,
    client: SocketAddr,
    inbox: &mut RecordReader,
    out: &mut ReplyBuffer,
) -> Result<u32, End> {
    let mut answered = 0;
    loop {
        let message = match inbox.next() {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(_) => {
                count(&state.counters.bad_records);
                let _ = line.send(out.as_bytes());
                return Err(End);
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
                // What is ready must not wait for the disk with the one that is not.
                flush(line, out)?;
                wait_aside(state, pool, line, client, message, out)?;
                answered += 1;
            }
        }
        if out.is_full() {
            flush(line, out)?;
        }
    }
    flush(line, out)?;
    Ok(answered)
}

fn flush(line: &Connection, out: &mut ReplyBuffer) -> Result<(), End> {
    if out.len() > 0 {
        line.send(out.as_bytes()).map_err(|_| End)?;
        out.clear();
    }
    Ok(())
}

/// Answers a call that has to wait for the disk, on a thread of its own if there is one.
fn wait_aside(
    state: &Arc<ServerState>,
    pool: &ThreadPool,
    line: &Arc<Connection>,
    client: SocketAddr,
    message: &[u8],
    out: &mut ReplyBuffer,
) -> Result<(), End> {
    count(&state.counters.slow_reads);
    if line.aside.fetch_add(1, Ordering::Relaxed) < MOST_ASIDE {
        let (state, line_aside, message) = (Arc::clone(state), Arc::clone(line), message.to_vec());
        let job = move || {
            let mut out = ReplyBuffer::new(&state.buffers);
            answer_waiting(&state, client, &message, &mut out);
            let _ = line_aside.send(out.as_bytes());
            line_aside.aside.fetch_sub(1, Ordering::Relaxed);
        };
        return match pool.run(Box::new(job)) {
            Ok(()) => Ok(()),
            Err(job) => {
                job();
                Ok(())
            }
        };
    }
    line.aside.fetch_sub(1, Ordering::Relaxed);
    answer_waiting(state, client, message, out);
    flush(line, out)
}

fn answer_waiting(state: &ServerState, client: SocketAddr, message: &[u8], out: &mut ReplyBuffer) {
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
    fn a_client_that_takes_nothing_hears_a_reset_instead_of_what_is_queued() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let line = Connection::new(listener.accept().unwrap().0).unwrap();
        let short = Some(Duration::from_millis(50));
        line.stream.set_write_timeout(short).unwrap();
        // More than the socket buffers hold.
        let error = line.send(&vec![0; 64 << 20]).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        drop(line);
        let mut buffer = vec![0; 1 << 20];
        let end = loop {
            match client.read(&mut buffer) {
                Ok(0) => panic!("the connection ended as if all were said"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
}
