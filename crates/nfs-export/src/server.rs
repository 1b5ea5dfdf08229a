//! The server: what its owner can do with it. [`event_loop`] is how it answers calls.

mod alarm;
mod calls;
mod connection;
mod connections;
mod deadlines;
mod event_loop;
mod listening;
mod polling;
mod serving;
mod shared;
mod start_error;
mod thread_pool;
mod thread_states;
mod watchdog;
mod write_deadline;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use self::alarm::Alarm;
use self::event_loop::EventLoop;
pub use self::listening::Listeners;
use self::listening::Listening;
use self::serving::Serving;
use self::shared::{Shared, listen};
pub use self::start_error::StartError;
use self::thread_pool::STACK_SIZE;
pub use self::thread_states::ThreadStates;
use self::watchdog::watch;
use crate::counters::Counts;
use crate::event::Event;
use crate::export::Export;
use crate::exports::{Exchange, ExchangeError, Exports, ReplacedExport};
use crate::server_state::{Ports, ServerState};
use crate::used_files::UsedFiles;
use crate::users::{ExportUser, ExportUsers};

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
    /// The thread that listens, and the watchdog of the event loops.
    threads: Vec<JoinHandle<()>>,
}

/// The most event loops, however many processors there are: each of them answers 100,000 calls a second.
const MOST_LOOPS: usize = 16;

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
        let state = Arc::new(ServerState::new(exports, ports, Box::new(events)));
        let (serving, alarm) = (Arc::new(Serving::new(state)), Arc::default());
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let mut server = Self {
            shared: Arc::new(Shared {
                serving: Arc::clone(&serving),
                loops: start_loops(processors.min(MOST_LOOPS), &serving, &alarm)?,
                alarm,
                stopping: AtomicBool::new(false),
                listening: RwLock::new(Arc::new(listeners)),
                wake,
            }),
            address,
            threads: Vec::new(),
        };
        // If one of them cannot be started, the others end with `server`.
        let states = ThreadStates::open();
        server.start_thread("nfs-watch", move |shared| {
            watch(&shared.alarm, &shared.loops, &states);
        })?;
        server.start_thread("nfs-listen", |shared| listen(&shared))?;
        Ok(server)
    }

    fn start_thread(
        &mut self,
        name: &str,
        work: impl FnOnce(Arc<Shared>) + Send + 'static,
    ) -> Result<(), StartError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || work(shared))
            .map_err(StartError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// The address of NFS and MOUNT.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.serving.state.counters.read()
    }

    /// The connections that are open, in no order.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionUse> {
        let connections = self.shared.serving.connections();
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
        let exchanged = self.shared.serving.state.exports.exchange(exchange);
        exchanged.map_err(|error| match error {
            ExchangeError::Conflict(conflict) => conflict.into(),
            ExchangeError::Name(error) => StartError::Name(error),
        })
    }

    /// Whether the export with this first name would show other file systems below its directory if it were opened now
    /// ([`Export::mounts_have_changed`]).
    #[must_use]
    pub fn mounts_have_changed(&self, name: &str) -> bool {
        let exports = self.shared.serving.state.exports.now();
        let mut named = exports.iter();
        let named = named.find(|export| export.names().first().is_some_and(|first| first == name));
        named.is_some_and(Export::mounts_have_changed)
    }

    /// The exports that were replaced or taken away and not released yet; at most eight of each first name, and 64.
    #[must_use]
    pub fn replaced(&self) -> Vec<ReplacedExport> {
        self.shared.serving.state.exports.replaced()
    }

    /// Who uses each export, with those that were replaced.
    #[must_use]
    pub fn users(&self) -> Vec<ExportUsers> {
        self.shared.serving.state.exports.users()
    }

    /// Who used the export with this first name before this server started, so that it is known who runs from it.
    pub fn remember_users(&self, name: &str, users: &[ExportUser]) {
        self.shared
            .serving
            .state
            .exports
            .remember_users(name, users);
    }

    /// Ends a replaced export: its handles are stale from now on.
    pub fn release(&self, replaced: &ReplacedExport) {
        self.shared.serving.state.exports.release(replaced);
    }

    /// Has `call` called before each MOUNT, which waits for it: it may [replace](Server::replace) an export whose directory has
    /// been replaced. Clients that are served on the same processor wait with it for the first 2 to 4 ms. Only the first one is
    /// used.
    pub fn before_mounts(&self, call: impl Fn() + Send + Sync + 'static) {
        self.shared.serving.state.set_before_mount(Box::new(call));
    }

    /// Has `call` say how long ago the boot of a client began in which it was told what to mount, `None` if that is not known:
    /// asked where the name that it mounts was another export's earlier. Only the first one is used.
    pub fn told_by(&self, call: impl Fn(IpAddr) -> Option<Duration> + Send + Sync + 'static) {
        self.shared.serving.state.set_told_by(Box::new(call));
    }

    /// Appends a line to `file` for each call of NFS that is answered from now on, for who wants to know what a machine asks
    /// for ([the form](crate#the-record-of-calls)). It costs time and grows without a limit. Only the first file is used.
    pub fn record_calls(&self, file: File) {
        self.shared.serving.state.record_calls(file);
    }

    /// [`Export::identity`] of the export that has this name.
    #[must_use]
    pub fn identity_of(&self, name: &str) -> Option<u32> {
        self.shared.serving.state.exports.identity_of(name)
    }

    /// Notes what the next machine that mounts one of `exports`, by its path, uses of it from then on; in the place of those
    /// that were given before.
    pub fn want_used_files(&self, exports: BTreeSet<String>) {
        self.shared.serving.state.watched.want(exports);
    }

    /// What machines used whose boots are over: nothing new for 15 s, or two minutes after the mount. Each once.
    #[must_use]
    pub fn take_used_files(&self) -> Vec<UsedFiles> {
        self.shared.serving.state.watched.take(Instant::now())
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
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        shared.wake();
        shared.alarm.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        stop_loops(&shared.loops);
        for open in shared.serving.connections().open.values() {
            open.connection.close();
        }
        for one in &shared.loops {
            one.join();
        }
        shared.serving.pool.stop();
    }
}

fn start_loops(
    count: usize,
    serving: &Arc<Serving>,
    alarm: &Arc<Alarm>,
) -> Result<Vec<Arc<EventLoop>>, StartError> {
    let mut loops = Vec::new();
    for _ in 0..count {
        match EventLoop::start(serving, alarm) {
            Ok(one) => loops.push(one),
            Err(error) => {
                stop_loops(&loops);
                return Err(StartError::EventLoop(error));
            }
        }
    }
    Ok(loops)
}

fn stop_loops(loops: &[Arc<EventLoop>]) {
    for one in loops {
        one.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}
