//! Accepts connections and runs one thread for each.

mod connection;
mod connections;
mod thread_pool;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::counters::{Counts, count};
use crate::event::Event;
use crate::export::{Export, ExportError};
use crate::exports::{Conflict, Exchange, ExchangeError, Exports, ReplacedExport};
use crate::programs::procedure::Ends;
use crate::programs::{self, Outcome};
use crate::rpc::reply_buffer::ReplyBuffer;
use crate::server_state::{Ports, ServerState};
use connection::Connection;
use connections::{ConnectionTable, OpenConnection};
use thread_pool::{STACK_SIZE, ThreadPool};

/// A longer datagram, in bytes, is not a call to the portmapper.
const MAX_DATAGRAM: usize = 1024;

/// The shortest time between two connections that are closed to free memory.
const RELIEF_INTERVAL: Duration = Duration::from_millis(100);

/// The sockets of a server, bound by the caller.
#[derive(Debug)]
pub struct Listeners {
    /// NFS and MOUNT, all on one port; clients are given `port=` and `mountport=`. One for each address.
    pub nfs: Vec<TcpListener>,
    /// The portmapper over TCP, for clients without these options; optional.
    pub portmap_tcp: Vec<TcpListener>,
    /// The portmapper over UDP; optional.
    pub portmap_udp: Vec<UdpSocket>,
}

impl Listeners {
    /// NFS and MOUNT on these sockets, without a portmapper.
    #[must_use]
    pub fn new(nfs: Vec<TcpListener>) -> Self {
        Self {
            nfs,
            portmap_tcp: Vec::new(),
            portmap_udp: Vec::new(),
        }
    }

    /// Binds the portmapper's port 111 at `address` over TCP and UDP, both or neither.
    ///
    /// # Errors
    /// `EADDRINUSE` where rpcbind is running, `EACCES` without `CAP_NET_BIND_SERVICE`. The server works without a
    /// portmapper: log it and continue.
    pub fn bind_portmapper(&mut self, address: IpAddr) -> io::Result<()> {
        let address = (address, nfs3_types::portmap::PMAP_PORT);
        let tcp = TcpListener::bind(address)?;
        self.portmap_udp.push(UdpSocket::bind(address)?);
        self.portmap_tcp.push(tcp);
        Ok(())
    }
}

/// What is listened on now. A value does not change.
#[derive(Debug, Clone, Default)]
struct Listening {
    streams: Vec<Arc<TcpListener>>,
    datagrams: Vec<Arc<UdpSocket>>,
}

impl Listening {
    /// These, and `more`, which are read without waiting: a connection that is gone before it is accepted must not hold
    /// the thread.
    fn and(&self, more: Listeners) -> io::Result<Self> {
        let mut all = self.clone();
        for tcp in more.nfs.into_iter().chain(more.portmap_tcp) {
            tcp.set_nonblocking(true)?;
            all.streams.push(Arc::new(tcp));
        }
        for udp in more.portmap_udp {
            udp.set_nonblocking(true)?;
            all.datagrams.push(Arc::new(udp));
        }
        Ok(all)
    }

    /// These without those of an address.
    fn without(&self, address: IpAddr) -> Self {
        let elsewhere =
            |bound: io::Result<SocketAddr>| bound.map_or(true, |bound| bound.ip() != address);
        let mut left = self.clone();
        left.streams.retain(|tcp| elsewhere(tcp.local_addr()));
        left.datagrams.retain(|udp| elsewhere(udp.local_addr()));
        left
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Two exports have the same name.
    #[error("two exports have the name {name:?}; give each a name of its own")]
    SameName {
        /// The name they share.
        name: String,
    },
    /// Two exports would have the same handles: nearly always the same directory twice.
    #[error("{first:?} and {second:?} export the same directory; export it once, with both names")]
    SameRoot {
        /// The first name of one.
        first: String,
        /// The first name of the other.
        second: String,
    },
    /// An export cannot have a name.
    #[error(transparent)]
    Name(ExportError),
    /// A socket cannot be used.
    #[error("cannot set up the sockets of the export")]
    Socket(#[source] io::Error),
    /// The listening thread could not be started.
    #[error("cannot start the thread of the export")]
    Thread(#[source] io::Error),
}

impl From<Conflict> for StartError {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Name(name) => Self::SameName { name },
            Conflict::Handles(first, second) => Self::SameRoot { first, second },
        }
    }
}

/// What a client has done on a connection that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionUse {
    /// The connection's number, which no other one ever has.
    pub id: u64,
    /// The client's address.
    pub client: IpAddr,
    /// Calls that used a file or mounted a root.
    pub calls: u64,
    /// Bytes of replies.
    pub bytes: u64,
}

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    state: Arc<ServerState>,
    pool: ThreadPool,
    connections: Mutex<ConnectionTable>,
    /// When a connection was last closed to free memory.
    last_relief: Mutex<Option<Instant>>,
    stopping: AtomicBool,
    listening: RwLock<Arc<Listening>>,
    /// Written to when the thread that listens has to look at what it listens on.
    wake: OwnedFd,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Server {
    /// Serves `exports` until [`Server::stop`]. `events` is called from the server's threads and should not take long.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        exports: Vec<Export>,
        listeners: Listeners,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let exports = Exports::new(exports)?;
        let first = listeners.nfs.first();
        let first = first.ok_or_else(|| StartError::Socket(io::ErrorKind::InvalidInput.into()))?;
        let address = first.local_addr().map_err(StartError::Socket)?;
        let port = |address: io::Result<SocketAddr>| address.ok().map(|address| address.port());
        let ports = Ports {
            nfs: address.port(),
            portmap_tcp: listeners
                .portmap_tcp
                .first()
                .and_then(|tcp| port(tcp.local_addr())),
            portmap_udp: listeners
                .portmap_udp
                .first()
                .and_then(|udp| port(udp.local_addr())),
        };
        let listeners = Listening::default()
            .and(listeners)
            .map_err(StartError::Socket)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| StartError::Socket(errno.into()))?;
        let shared = Arc::new(Shared {
            state: Arc::new(ServerState::new(exports, ports, Box::new(events))),
            pool: ThreadPool::default(),
            connections: Mutex::default(),
            last_relief: Mutex::default(),
            stopping: AtomicBool::new(false),
            listening: RwLock::new(Arc::new(listeners)),
            wake,
        });
        let listening = thread::Builder::new()
            .name("nfs-listen".to_owned())
            .stack_size(STACK_SIZE)
            .spawn({
                let shared = Arc::clone(&shared);
                move || listen(&shared)
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            shared,
            address,
            listening: Some(listening),
        })
    }

    /// The address of NFS and MOUNT.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.state.counters.read()
    }

    /// The connections that are open, in no order.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionUse> {
        let connections = self.shared.connections();
        let open = connections.open.iter().map(|(id, open)| {
            let (calls, bytes) = open.connection.amounts();
            ConnectionUse {
                id: *id,
                client: open.client,
                calls,
                bytes,
            }
        });
        open.collect()
    }

    /// Exports `export` from now on, in the place of the one that has its first name, or beside the others. Clients that
    /// mounted that one keep it: its handles are valid until [`Server::release`].
    ///
    /// # Errors
    /// [`StartError::SameName`] and [`StartError::SameRoot`]; nothing is changed then.
    pub fn replace(&self, export: Export) -> Result<(), StartError> {
        self.exchange(Exchange {
            put: vec![export],
            ..Exchange::default()
        })
    }

    /// Takes exports away, renames them and adds others, all at once.
    ///
    /// # Errors
    /// [`StartError::SameName`], [`StartError::SameRoot`] and [`StartError::Name`]; nothing is changed then.
    pub fn exchange(&self, exchange: Exchange) -> Result<(), StartError> {
        let exchanged = self.shared.state.exports.exchange(exchange);
        exchanged.map_err(|error| match error {
            ExchangeError::Conflict(conflict) => conflict.into(),
            ExchangeError::Name(error) => StartError::Name(error),
        })
    }

    /// Whether the export with this first name would show other file systems below its directory if it were opened now
    /// ([`Export::mounts_have_changed`]).
    #[must_use]
    pub fn mounts_have_changed(&self, name: &str) -> bool {
        let exports = self.shared.state.exports.now();
        let mut named = exports.iter();
        let named = named.find(|export| export.names().first().is_some_and(|first| first == name));
        named.is_some_and(Export::mounts_have_changed)
    }

    /// The exports that were replaced or taken away and not released yet; at most eight of each first name, and 64.
    #[must_use]
    pub fn replaced(&self) -> Vec<ReplacedExport> {
        self.shared.state.exports.replaced()
    }

    /// Ends a replaced export: its handles are stale from now on.
    pub fn release(&self, replaced: &ReplacedExport) {
        self.shared.state.exports.release(replaced);
    }

    /// Has `call` called before each MOUNT, on the thread of the client's connection, which waits for it: it may
    /// [replace](Server::replace) an export whose directory has been replaced. Only the first one is used.
    pub fn before_mounts(&self, call: impl Fn() + Send + Sync + 'static) {
        self.shared.state.set_before_mount(Box::new(call));
    }

    /// Listens on these sockets, too, from now on.
    ///
    /// # Errors
    /// A socket cannot be set up; nothing is changed then.
    pub fn listen_also(&self, more: Listeners) -> io::Result<()> {
        self.listen_on(|now| now.and(more))
    }

    /// Closes the sockets of an address. Connections that were accepted go on.
    pub fn stop_listening(&self, address: IpAddr) {
        let _ = self.listen_on(|now| Ok(now.without(address)));
    }

    fn listen_on(
        &self,
        change: impl FnOnce(&Listening) -> io::Result<Listening>,
    ) -> io::Result<()> {
        let listening = self.shared.listening.write();
        let mut listening = listening.unwrap_or_else(PoisonError::into_inner);
        *listening = Arc::new(change(&listening)?);
        drop(listening);
        self.shared.wake();
        Ok(())
    }

    /// Closes the sockets and all connections, and waits for the threads. Clients wait, and continue with the next
    /// server that has the key.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake();
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        let threads = {
            let mut connections = self.shared.connections();
            for open in connections.open.values() {
                open.connection.close();
            }
            std::mem::take(&mut connections.threads)
        };
        for (_, thread) in threads {
            let _ = thread.join();
        }
        self.shared.pool.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

fn listen(shared: &Arc<Shared>) {
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
                Err(_) => thread::sleep(std::time::Duration::from_millis(100)),
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

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn connections(&self) -> MutexGuard<'_, ConnectionTable> {
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
                    connection::serve(
                        &shared.state,
                        &shared.pool,
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
