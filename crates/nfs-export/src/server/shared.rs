//! The threads of a server: one that listens, and one for each connection.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::calls::{self, Serving};
use super::connection::Connection;
use super::connections::{ConnectionTable, OpenConnection};
use super::listening::Listening;
use super::thread_pool::STACK_SIZE;
use crate::counters::count;
use crate::event::Event;
use crate::programs::procedure::Ends;
use crate::programs::{self, Outcome};
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::ServerState;

/// A longer datagram, in bytes, is not a call to the portmapper.
const MAX_DATAGRAM: usize = 1024;
/// The shortest time between two connections that are closed to free memory.
const RELIEF_INTERVAL: Duration = Duration::from_millis(100);

/// What the threads of a server share.
pub(super) struct Shared {
    pub(super) state: Arc<ServerState>,
    pub(super) serving: Serving,
    pub(super) connections: Mutex<ConnectionTable>,
    /// When a connection was last closed to free memory.
    pub(super) last_relief: Mutex<Option<Instant>>,
    pub(super) stopping: AtomicBool,
    pub(super) listening: RwLock<Arc<Listening>>,
    /// Written to when the thread that listens has to look at what it listens on.
    pub(super) wake: OwnedFd,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Accepts connections and answers datagrams until the server stops.
pub(super) fn listen(shared: &Arc<Shared>) {
    while !shared.stopping.load(Ordering::SeqCst) {
        // Once more for each wait: a socket that is not listened on any more is closed by then.
        let listening = shared.listening();
        let streams = listening.streams.iter().map(AsFd::as_fd);
        let datagrams = listening.datagrams.iter().map(AsFd::as_fd);
        let mut ready: Vec<PollFd<'_>> = streams
            .chain([shared.wake.as_fd()])
            .chain(datagrams)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        if poll(&mut ready, None).is_err() {
            continue;
        }
        let _ = rustix::io::read(&shared.wake, &mut [0; 8]);
        for listener in &listening.streams {
            match listener.accept() {
                // Only the caller's handler of events can panic here; the others must still get in.
                Ok((stream, client)) => {
                    let _ = catch_unwind(AssertUnwindSafe(|| shared.admit(stream, client)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Probably out of descriptors: the pending connection would make this a busy loop.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
        for udp in &listening.datagrams {
            let _ = catch_unwind(AssertUnwindSafe(|| shared.datagram(udp)));
        }
    }
}

impl Shared {
    fn listening(&self) -> Arc<Listening> {
        Arc::clone(
            &self
                .listening
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn connections(&self) -> MutexGuard<'_, ConnectionTable> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one datagram to the portmapper. An unauthorized client gets no reply: its address may be forged.
    fn datagram(&self, socket: &UdpSocket) {
        let mut message = [0; MAX_DATAGRAM];
        let Ok((length, client)) = socket.recv_from(&mut message) else {
            return;
        };
        if !self.state.exports.now().allow(client.ip()) {
            count(&self.state.counters.denied);
            return;
        }
        let mut out = ReplyBuffer::new(&self.state.replies, client.ip());
        let message = message.get(..length).unwrap_or_default();
        let Ok(here) = socket.local_addr() else {
            return;
        };
        let ends = Ends {
            client,
            server: here.ip(),
            protocol: nfs3_types::portmap::IPPROTO_UDP,
        };
        let outcome = programs::answer_datagram(&self.state, ends, message, &mut out);
        if matches!(outcome, Outcome::Replied { .. }) {
            let _ = socket.send_to(out.as_bytes(), client);
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, client: SocketAddr) {
        let state = &self.state;
        count(&state.counters.connections);
        let Ok(connection) = stream
            .set_nonblocking(false)
            .and_then(|()| Connection::new(stream))
        else {
            return;
        };
        let connection = Arc::new(connection);
        let mut connections = self.connections();
        connections.reap();
        let authorized = state.exports.now().allow(client.ip());
        if !connections.make_room(client.ip(), authorized) {
            drop(connections);
            connection.close();
            count(&state.counters.connections_refused);
            state.report(Event::ConnectionRefused { client });
            return;
        }
        let id = connections.next;
        connections.next += 1;
        let open = OpenConnection {
            client: client.ip(),
            authorized,
            connection: Arc::clone(&connection),
        };
        connections.open.insert(id, open);
        // If the thread cannot be started, its slot is dropped at once, which needs the table.
        drop(connections);
        let spawned = thread::Builder::new()
            .name("nfs-client".to_owned())
            .stack_size(STACK_SIZE)
            .spawn({
                let slot = Slot {
                    shared: Arc::clone(self),
                    connection: Arc::clone(&connection),
                    id,
                };
                move || {
                    let shared = &slot.shared;
                    let relieve = || shared.relieve();
                    calls::serve(
                        &shared.state,
                        &shared.serving,
                        &slot.connection,
                        client,
                        &relieve,
                    );
                }
            });
        match spawned {
            Ok(thread) => {
                let mut connections = self.connections();
                connections.threads.insert(id, thread);
                self.count_open(&connections);
            }
            Err(_) => {
                // The client connects again: by then there is a thread that somebody else had too many of.
                self.connections().close_of_busiest(client.ip());
                state.report(Event::OutOfThreads { client });
            }
        }
    }

    /// Closes a connection whose client does not read, at most once in a while.
    fn relieve(&self) {
        let mut last = self
            .last_relief
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < RELIEF_INTERVAL) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        if self.connections().close_stalled() {
            count(&self.state.counters.connections_stalled);
        }
    }

    fn count_open(&self, connections: &ConnectionTable) {
        let open = u64::try_from(connections.open.len()).unwrap_or(u64::MAX);
        let counter = &self.state.counters.connections_open;
        counter.store(open, Ordering::Relaxed);
    }
}

/// A connection's place in the table; given up when its thread ends, also by a panic.
struct Slot {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    id: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.close();
        let mut connections = self.shared.connections();
        connections.open.remove(&self.id);
        connections.ended.push(self.id);
        self.shared.count_open(&connections);
    }
}
