//! What the threads of a server share, and the one that listens.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::alarm::Alarm;
use super::connection::Connection;
use super::connections::OpenConnection;
use super::event_loop::EventLoop;
use super::listening::Listening;
use super::serving::Serving;
use crate::counters::count;
use crate::event::Event;
use crate::programs::procedure::Ends;
use crate::programs::{self, Outcome};
use crate::rpc::reply_buffer::ReplyBuffer;

/// A longer datagram, in bytes, is not a call to the portmapper.
const MAX_DATAGRAM: usize = 1024;

/// What the threads of a server share.
pub(super) struct Shared {
    pub(super) serving: Arc<Serving>,
    /// One for each processor.
    pub(super) loops: Vec<Arc<EventLoop>>,
    pub(super) alarm: Arc<Alarm>,
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

    /// Answers one datagram to the portmapper. An unauthorized client gets no reply: its address may be forged.
    fn datagram(&self, socket: &UdpSocket) {
        let state = &self.serving.state;
        let mut message = [0; MAX_DATAGRAM];
        let Ok((length, client)) = socket.recv_from(&mut message) else {
            return;
        };
        if !state.exports.now().allow(client.ip()) {
            count(&state.counters.denied);
            return;
        }
        let mut out = ReplyBuffer::new(&state.replies, client.ip());
        let message = message.get(..length).unwrap_or_default();
        let Ok(here) = socket.local_addr() else {
            return;
        };
        let ends = Ends {
            client,
            server: here.ip(),
            protocol: nfs3_types::portmap::IPPROTO_UDP,
        };
        let outcome = programs::answer_datagram(state, ends, message, &mut out);
        if matches!(outcome, Outcome::Replied { .. }) {
            let _ = socket.send_to(out.as_bytes(), client);
        }
    }

    /// Gives a connection to the loop that has fewest, of as many as there are processors now: it is dearer to go from loop to
    /// loop on one of them.
    fn admit(&self, stream: TcpStream, client: SocketAddr) {
        let (serving, state) = (&self.serving, &self.serving.state);
        count(&state.counters.connections);
        let Ok(connection) = Connection::new(stream) else {
            return;
        };
        let connection = Arc::new(connection);
        let authorized = state.exports.now().allow(client.ip());
        let room = serving.connections().make_room(client.ip(), authorized);
        let usable = self.loops.iter().take(processors());
        let least = usable.min_by_key(|one| one.len());
        let Some(least) = least.filter(|_| room) else {
            connection.close();
            count(&state.counters.connections_refused);
            state.report(Event::ConnectionRefused { client });
            return;
        };
        let id = serving.opened(OpenConnection {
            client: client.ip(),
            authorized,
            connection: Arc::clone(&connection),
        });
        least.add(id, &connection, client);
    }
}

/// How many processors this process may use now: `taskset` and systemd's `AllowedCPUs=` change it.
fn processors() -> usize {
    let set = rustix::thread::sched_getaffinity(None);
    set.map_or(usize::MAX, |set| {
        usize::try_from(set.count()).unwrap_or(1).max(1)
    })
}
