//! What the threads of a server share to serve its connections.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::count;
use crate::event::Event;
use crate::server::connections::{ConnectionTable, OpenConnection};
use crate::server::deadlines::Deadlines;
use crate::server::polling::Pollers;
use crate::server::thread_pool::ThreadPool;
use crate::server_state::ServerState;

/// The shortest time between two connections that are closed to free memory.
const RELIEF_INTERVAL: Duration = Duration::from_millis(100);

/// The shortest time between two reports that there was no thread to be had.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Serving {
    pub(super) state: Arc<ServerState>,
    /// For READs that wait for a disk.
    pub(super) pool: ThreadPool,
    /// The event loops that wait awake for the next call.
    pub(super) pollers: Pollers,
    pub(super) deadlines: Deadlines,
    connections: Mutex<ConnectionTable>,
    /// When a connection was last closed to free memory.
    last_relief: Mutex<Option<Instant>>,
    /// When it was last reported that there was no thread to be had.
    last_report: Mutex<Option<Instant>>,
}

impl Serving {
    pub(super) fn new(state: Arc<ServerState>) -> Self {
        Self {
            state,
            pool: ThreadPool::default(),
            pollers: Pollers::new(),
            deadlines: Deadlines::default(),
            connections: Mutex::default(),
            last_relief: Mutex::default(),
            last_report: Mutex::default(),
        }
    }

    pub(super) fn connections(&self) -> MutexGuard<'_, ConnectionTable> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection; returns its number.
    pub(super) fn opened(&self, open: OpenConnection) -> u64 {
        let mut connections = self.connections();
        let id = connections.next;
        connections.next += 1;
        connections.open.insert(id, open);
        self.count_open(&connections);
        id
    }

    /// A connection has ended.
    pub(super) fn closed(&self, id: u64) {
        let mut connections = self.connections();
        connections.open.remove(&id);
        self.count_open(&connections);
    }

    fn count_open(&self, connections: &ConnectionTable) {
        let open = u64::try_from(connections.open.len()).unwrap_or(u64::MAX);
        let counter = &self.state.counters.connections_open;
        counter.store(open, Ordering::Relaxed);
    }

    /// Closes a connection whose client does not read, at most once in a while: a client got a shorter reply because replies
    /// to others take up the memory.
    pub(super) fn relieve(&self) {
        let due = is_due(&self.last_relief, RELIEF_INTERVAL);
        if due && self.connections().close_stalled() {
            count(&self.state.counters.connections_stalled);
        }
    }

    /// Reports, at most once in a while, that a thread that waits could not give up its loop, since there is no other one.
    pub(super) fn out_of_threads(&self, client: SocketAddr) {
        if is_due(&self.last_report, REPORT_INTERVAL) {
            // Only the caller's handler of events can panic here; the watchdog must go on.
            let report = || self.state.report(Event::OutOfThreads { client });
            let _ = catch_unwind(AssertUnwindSafe(report));
        }
    }
}

/// Whether the last time is long enough ago; then this is the last time.
fn is_due(last: &Mutex<Option<Instant>>, interval: Duration) -> bool {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let due = last.is_none_or(|last| last.elapsed() >= interval);
    if due {
        *last = Some(Instant::now());
    }
    due
}
