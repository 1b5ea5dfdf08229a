//! What the threads of a server share to serve its connections.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::count;
use crate::server::connections::{ConnectionTable, OpenConnection};
use crate::server::polling::Pollers;
use crate::server::thread_pool::ThreadPool;
use crate::server_state::ServerState;

/// The shortest time between two connections that are closed to free memory.
const RELIEF_INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Serving {
    pub(super) state: Arc<ServerState>,
    /// For READs that wait for a disk.
    pub(super) pool: ThreadPool,
    /// The event loops that wait awake for the next call.
    pub(super) pollers: Pollers,
    connections: Mutex<ConnectionTable>,
    /// When a connection was last closed to free memory.
    last_relief: Mutex<Option<Instant>>,
}

impl Serving {
    pub(super) fn new(state: Arc<ServerState>) -> Self {
        Self {
            state,
            pool: ThreadPool::default(),
            pollers: Pollers::new(),
            connections: Mutex::default(),
            last_relief: Mutex::default(),
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
}
