//! The open connections, and who gives way when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::server::connection::Connection;

/// Connections of one address. A Linux machine opens one, or up to 16 (`nconnect=`); several may share an address by
/// NAT; one that crashes and boots leaves its last one behind for two minutes.
const MOST_PER_CLIENT: usize = 64;

/// Connections in total.
const MOST: usize = 1024;

/// Connections of clients that no export is for, together: they may ask MOUNT why.
const MOST_OF_STRANGERS: usize = 32;

/// A connection may be closed in favour of another one of its client once it was silent for this long, in seconds.
/// Sooner, and two machines behind one address would throw each other out.
const IDLE_FOR_ITSELF: u64 = 10;

/// A connection may be closed in favour of another client's once it was silent for this long, in seconds.
const IDLE_FOR_OTHERS: u64 = 60;

#[derive(Default)]
pub(crate) struct ConnectionTable {
    pub(crate) next: u64,
    pub(crate) open: HashMap<u64, Open>,
    pub(crate) threads: HashMap<u64, JoinHandle<()>>,
    /// Threads that are done and can be joined without waiting.
    pub(crate) ended: Vec<u64>,
}

/// A connection as the others see it.
pub(crate) struct Open {
    pub(crate) client: IpAddr,
    /// Whether an export is for this client.
    pub(crate) known: bool,
    pub(crate) line: Arc<Connection>,
}

impl ConnectionTable {
    /// Joins the threads that are done.
    pub(crate) fn reap(&mut self) {
        for id in std::mem::take(&mut self.ended) {
            if let Some(thread) = self.threads.remove(&id) {
                let _ = thread.join();
            }
        }
    }

    /// Whether one more connection of this client fits. Its own give way first: a machine that was reset must be let in,
    /// and only forgets its former connections. Then strangers give way, then whoever is idle. Among them the first
    /// to go is one that never made a call.
    pub(crate) fn make_room(&mut self, client: IpAddr, known: bool) -> bool {
        if self.count(|open| open.client == client) >= MOST_PER_CLIENT {
            return self.close_idlest(|open| open.client == client, IDLE_FOR_ITSELF);
        }
        if !known && self.count(|open| !open.known) >= MOST_OF_STRANGERS {
            return self.close_idlest(|open| !open.known, 0);
        }
        self.open.len() < MOST
            || known && self.close_idlest(|open| !open.known, 0)
            || self.close_idlest(|_| true, IDLE_FOR_OTHERS)
    }

    fn count(&self, which: impl Fn(&Open) -> bool) -> usize {
        self.open.values().filter(|open| which(open)).count()
    }

    fn close_idlest(&mut self, among: impl Fn(&Open) -> bool, at_least: u64) -> bool {
        let idlest = self
            .open
            .iter()
            .filter(|(_, open)| among(open))
            .filter(|(_, open)| open.line.is_unused() || open.line.idle() >= at_least)
            .max_by_key(|(id, open)| (open.line.is_unused(), open.line.idle(), u64::MAX - **id))
            .map(|(id, _)| *id);
        match idlest.and_then(|id| self.open.remove(&id)) {
            Some(open) => {
                open.line.close();
                true
            }
            None => false,
        }
    }
}
