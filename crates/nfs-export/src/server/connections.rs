//! The open connections, and which of them are closed when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::server::connection::Connection;

/// The most connections of one address. A Linux machine opens one, or up to 16 (`nconnect=`); several may share an
/// address behind NAT; one that crashes and reboots leaves its old connection behind for two minutes.
const MAX_PER_CLIENT: usize = 64;

/// The most connections in total.
const MAX_CONNECTIONS: usize = 1024;

/// The most connections of clients that may mount nothing, in total: MOUNT tells them why.
const MAX_UNAUTHORIZED: usize = 32;

/// A connection may be closed in favour of a new one of its client when it has been idle for this long, in seconds.
/// With less, two machines behind one address would disconnect each other.
const IDLE_FOR_SAME_CLIENT: u64 = 10;

/// A connection may be closed in favour of another client's when it has been idle for this long, in seconds.
const IDLE_FOR_OTHERS: u64 = 60;

#[derive(Default)]
pub(super) struct ConnectionTable {
    pub(super) next: u64,
    pub(super) open: HashMap<u64, OpenConnection>,
    pub(super) threads: HashMap<u64, JoinHandle<()>>,
    /// Threads that have ended, to be joined.
    pub(super) ended: Vec<u64>,
}

/// An open connection.
pub(super) struct OpenConnection {
    pub(super) client: IpAddr,
    /// Whether the client may mount any export.
    pub(super) authorized: bool,
    pub(super) connection: Arc<Connection>,
}

impl ConnectionTable {
    /// Joins the threads that have ended.
    pub(super) fn reap(&mut self) {
        for id in std::mem::take(&mut self.ended) {
            if let Some(thread) = self.threads.remove(&id) {
                let _ = thread.join();
            }
        }
    }

    /// Whether one more connection of this client is allowed, if necessary by closing another. A client over its limit
    /// loses one of its own: a machine that was reset must get in again, and no longer knows its old connections.
    /// Otherwise unauthorized clients are disconnected first, then idle ones; among those, first a connection that
    /// never made a call.
    pub(super) fn make_room(&mut self, client: IpAddr, authorized: bool) -> bool {
        if self.count(|open| open.client == client) >= MAX_PER_CLIENT {
            return self.close_idlest(|open| open.client == client, IDLE_FOR_SAME_CLIENT);
        }
        if !authorized && self.count(|open| !open.authorized) >= MAX_UNAUTHORIZED {
            return self.close_idlest(|open| !open.authorized, 0);
        }
        self.open.len() < MAX_CONNECTIONS
            || authorized && self.close_idlest(|open| !open.authorized, 0)
            || self.close_idlest(|_| true, IDLE_FOR_OTHERS)
    }

    fn count(&self, which: impl Fn(&OpenConnection) -> bool) -> usize {
        self.open.values().filter(|open| which(open)).count()
    }

    fn close_idlest(&mut self, among: impl Fn(&OpenConnection) -> bool, at_least: u64) -> bool {
        let idlest = self
            .open
            .iter()
            .filter(|(_, open)| among(open))
            .filter(|(_, open)| open.connection.is_unused() || open.connection.idle() >= at_least)
            .max_by_key(|(id, open)| {
                (
                    open.connection.is_unused(),
                    open.connection.idle(),
                    u64::MAX - **id,
                )
            })
            .map(|(id, _)| *id);
        match idlest.and_then(|id| self.open.remove(&id)) {
            Some(open) => {
                open.connection.close();
                true
            }
            None => false,
        }
    }
}
