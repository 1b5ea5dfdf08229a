//! The calls of one connection, answered in the order in which they come; those that wait for a disk by the thread pool.

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::counters::count;
use crate::programs::procedure::{Ends, IoMode};
use crate::programs::{self, Outcome};
use crate::rpc::record::RecordReader;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server::connection::Connection;
use crate::server::polling::{Pollers, Polling};
use crate::server::thread_pool::ThreadPool;
use crate::server_state::ServerState;

/// A connection without a first call is closed after this time.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A call must have arrived whole this long after its first byte. Clients send a call at once; a lost segment is
/// repeated within seconds.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a connection whose client is silent is looked at, as long as it has something to free or to wait for.
const TICK: Duration = Duration::from_secs(5);

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
    let Ok(here) = connection.stream().local_addr() else {
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
            if connection.stream().set_read_timeout(next).is_err() {
                break;
            }
            timeout = next;
        }
        let space = reader.space();
        let received = match connection.receive_awake(space, &serving.pollers, &mut polling) {
            None => connection.stream().read(space),
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
                let silent = !called && connection.age() >= FIRST_CALL_TIMEOUT;
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
        let free = connection.block();
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
        self.connection.unblock();
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
