//! The calls of one connection, answered in the order in which they come; those that wait for a disk by the thread pool.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::counters::count;
use crate::programs::procedure::{Ends, IoMode};
use crate::programs::{self, Outcome};
use crate::rpc::record::RecordReader;
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server::connection::Connection;
use crate::server::deadlines::Deadlines;
use crate::server::serving::Serving;
use crate::server_state::ServerState;

/// The most calls that are answered in one turn, and the most bytes of replies, but for the last reply: then it is another
/// connection's turn.
const MOST_CALLS: u32 = 32;
const MOST_BYTES: usize = 1024 * 1024;

/// The buffers of a thread. Each connection has them for its turn: what was used last is in the processor's cache, and connections
/// that are silent hold no memory.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    calls: Vec<u8>,
    replies: Vec<u8>,
}

/// What has been received of a connection's calls and is to be sent of their replies.
#[derive(Debug)]
pub(super) struct Session {
    ends: Ends,
    reader: RecordReader,
    out: ReplyBuffer,
    /// Whether there may be whole calls in `reader`.
    unanswered: bool,
    /// Whether there may be more to be received: as much as there was room for has been.
    filled: bool,
    called: bool,
    record_since: Option<Instant>,
    /// Whether there was a turn since the last look.
    used: bool,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With everything answered that has come.
    Wait,
    /// There is more to do.
    More,
    /// The connection is to be closed.
    Close,
}

impl Session {
    /// `None` if the connection is closed already.
    pub(super) fn new(
        state: &ServerState,
        connection: &Connection,
        client: SocketAddr,
    ) -> Option<Self> {
        let here = connection.stream().local_addr().ok()?;
        Some(Self {
            ends: Ends {
                client,
                server: here.ip(),
                protocol: nfs3_types::portmap::IPPROTO_TCP,
            },
            reader: RecordReader::new(state.replies.budget(), client.ip()),
            out: ReplyBuffer::for_socket(&state.replies, client.ip()),
            unanswered: false,
            filled: false,
            called: false,
            record_since: None,
            used: true,
        })
    }

    /// Receives and answers calls, a few at most. `ended` if the client sends no more than has come. `may_wait` is called before
    /// this thread waits for the client to read, or for a disk because the thread pool is busy; if that fails it does not wait, and
    /// the connection is to be closed. It may also wait for the file system, of which nobody knows before.
    pub(super) fn turn(
        &mut self,
        serving: &Serving,
        (connection, ended): (&Arc<Connection>, bool),
        buffers: &mut Buffers,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> Next {
        self.reader.borrow_buffer(&mut buffers.calls);
        self.out.borrow_memory(&mut buffers.replies);
        let next = self.receive_and_answer(serving, connection, ended, may_wait);
        self.reader.return_buffer(&mut buffers.calls);
        self.out.return_memory(&mut buffers.replies);
        next
    }

    fn receive_and_answer(
        &mut self,
        serving: &Serving,
        connection: &Arc<Connection>,
        ended: bool,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> Next {
        self.used = true;
        if !self.unanswered {
            let space = self.reader.space();
            match recv(connection.stream(), &mut *space, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Next::Close,
                Ok((length, _)) => {
                    self.filled = length == space.len();
                    self.reader.received(length);
                }
                Err(Errno::AGAIN) if !ended => return Next::Wait,
                Err(Errno::INTR) => return Next::More,
                Err(_) => return Next::Close,
            }
        }
        let refused = serving.state.replies.refused();
        let answered = self.answer(serving, connection, may_wait);
        if serving.state.replies.refused() != refused {
            serving.relieve();
        }
        match answered {
            Ok(0) => {}
            Ok(_) => (self.called, self.record_since) = (true, None),
            Err(Closed) => return Next::Close,
        }
        if !self.reader.is_within_record() {
            self.record_since = None;
        } else if self.is_overdue(&serving.deadlines) {
            return Next::Close;
        } else if self.record_since.is_none() {
            self.record_since = Some(Instant::now());
        }
        match self.filled || self.unanswered || ended {
            true => Next::More,
            false => Next::Wait,
        }
    }

    /// Looks after a connection whose client is silent: frees its memory, and says whether to look again, or to close it since
    /// its client has been silent for too long.
    pub(super) fn look_after(&mut self, connection: &Connection, deadlines: &Deadlines) -> Next {
        if !std::mem::take(&mut self.used) {
            self.reader.shrink();
            self.out.shrink();
        }
        let silent = !self.called && connection.age() >= deadlines.first_call;
        if silent || self.is_overdue(deadlines) {
            return Next::Close;
        }
        let waits = !self.called || self.record_since.is_some();
        match waits || self.reader.holds_memory() || self.out.holds_memory() {
            true => Next::More,
            false => Next::Wait,
        }
    }

    /// Whether the rest of a record has taken too long.
    fn is_overdue(&self, deadlines: &Deadlines) -> bool {
        self.record_since
            .is_some_and(|since| since.elapsed() >= deadlines.record)
    }

    /// Answers the complete calls that have been received, or as many as there may be in a turn; returns how many.
    fn answer(
        &mut self,
        serving: &Serving,
        connection: &Arc<Connection>,
        may_wait: &dyn Fn() -> io::Result<()>,
    ) -> Result<u32, Closed> {
        let Self {
            ends, reader, out, ..
        } = self;
        let (state, ends) = (&serving.state, *ends);
        let flush = |out: &mut ReplyBuffer| flush(connection, out, may_wait);
        let (mut answered, mut used, mut sent) = (0, 0, 0);
        self.unanswered = true;
        while answered < MOST_CALLS && sent < MOST_BYTES {
            let message = match reader.next() {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.unanswered = false;
                    break;
                }
                Err(_) => {
                    count(&state.counters.bad_records);
                    let _ = connection.send(out, may_wait);
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
                    sent += flush(out)?;
                    answer_blocking(serving, connection, (ends, message), out, may_wait)?;
                    answered += 1;
                    used += 1;
                }
            }
            if out.is_full() {
                sent += flush(out)?;
            }
        }
        if used > 0 {
            connection.note_use(used);
        }
        flush(out)?;
        Ok(answered)
    }
}

/// The connection must be closed.
#[derive(Debug)]
struct Closed;

/// Sends what there is; returns how many bytes.
fn flush(
    connection: &Connection,
    out: &mut ReplyBuffer,
    may_wait: &dyn Fn() -> io::Result<()>,
) -> Result<usize, Closed> {
    let length = out.len_with_content();
    if length > 0 {
        connection.send(out, may_wait).map_err(|_| Closed)?;
    }
    out.clear();
    Ok(length)
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
    serving: &Serving,
    connection: &Arc<Connection>,
    (ends, message): (Ends, &[u8]),
    out: &mut ReplyBuffer,
    may_wait: &dyn Fn() -> io::Result<()>,
) -> Result<(), Closed> {
    let state = &serving.state;
    count(&state.counters.slow_reads);
    let Some(mut blocked) = Blocked::new(connection) else {
        may_wait().map_err(|_| Closed)?;
        answer_on_this_thread(state, ends, message, out);
        return flush(connection, out, may_wait).map(drop);
    };
    let (state, message) = (Arc::clone(state), message.to_vec());
    let job = move || {
        let mut out = ReplyBuffer::for_socket(&state.replies, ends.client.ip());
        answer_on_this_thread(&state, ends, &message, &mut out);
        blocked.answered = blocked.connection.send(&mut out, &|| Ok(())).is_ok();
    };
    if let Err(job) = serving.pool.run(Box::new(job)) {
        may_wait().map_err(|_| Closed)?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::exports::Exports;
    use crate::server_state::Ports;

    /// A call of NFS's procedure 0, without its record mark.
    fn null() -> Vec<u8> {
        let words = [7, 0, 2, 100_003, 3, 0, 0, 0, 0, 0_u32];
        words.into_iter().flat_map(u32::to_be_bytes).collect()
    }

    #[test]
    fn the_buffers_are_a_connections_only_while_there_is_something_in_them() {
        let exports = Exports::new(Vec::new()).ok().unwrap();
        let state = ServerState::new(exports, Ports::default(), Box::new(|_| ()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, client) = listener.accept().unwrap();
        let connection = Arc::new(Connection::new(stream).unwrap());
        let mut session = Session::new(&state, &connection, client).unwrap();
        let serving = Serving::new(Arc::new(state));
        let mut buffers = Buffers::default();
        let null = null();
        let call = [&[0x80, 0, 0, 40][..], &null].concat();
        let holds = |session: &Session| session.reader.holds_memory() || session.out.holds_memory();
        for (part, whole) in [(&call[..], true), (&call[..30], false), (&call[30..], true)] {
            there.write_all(part).unwrap();
            let mut arrives = [PollFd::new(connection.stream(), PollFlags::IN)];
            poll(&mut arrives, None).unwrap();
            let next = session.turn(&serving, (&connection, false), &mut buffers, &|| Ok(()));
            assert_eq!(next, Next::Wait);
            assert_eq!(holds(&session), !whole);
            assert_eq!(buffers.calls.is_empty(), !whole);
        }
        assert_eq!(serving.state.counters.read().calls, 2);
    }

    #[test]
    fn a_disk_is_not_waited_for_where_this_thread_must_not_wait() {
        let exports = Exports::new(Vec::new()).ok().unwrap();
        let state = ServerState::new(exports, Ports::default(), Box::new(|_| ()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, client) = listener.accept().unwrap();
        let connection = Arc::new(Connection::new(stream).unwrap());
        let ends = Ends {
            client,
            server: client.ip(),
            protocol: nfs3_types::portmap::IPPROTO_TCP,
        };
        let mut out = ReplyBuffer::for_socket(&state.replies, client.ip());
        let null = null();
        let serving = Serving::new(Arc::new(state));
        // As many as the thread pool takes of one connection.
        while connection.block() {}
        let call = (ends, null.as_slice());
        let no = || Err(io::ErrorKind::OutOfMemory.into());
        answer_blocking(&serving, &connection, call, &mut out, &no).unwrap_err();
        assert_eq!(serving.state.counters.read().calls, 0);
        answer_blocking(&serving, &connection, call, &mut out, &|| Ok(())).unwrap();
        assert_eq!(serving.state.counters.read().calls, 1);
    }
}
