//! The open connections, and which of them are closed when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netroot_limits::busiest;

use crate::server::connection::Connection;

/// The most connections in total.
const MAX_CONNECTIONS: usize = 1024;

/// The most connections of one address: half of them, so that a router with 30 machines behind it (NAT), each with 16
/// connections (`nconnect=16`), stays below. When all are taken, an address with many loses one to others anyway.
const MAX_PER_CLIENT: usize = MAX_CONNECTIONS / 2;

/// The most connections of one address that have not used a file yet. Machines have such a connection for a moment.
const MAX_UNUSED_PER_CLIENT: usize = 64;

/// The most connections of clients that may mount nothing, in total: MOUNT tells them why.
const MAX_UNAUTHORIZED: usize = 32;

/// A connection may be closed in favour of a new one of its client when it has been idle for this long. With less, two
/// machines behind one address would disconnect each other.
const IDLE_FOR_SAME_CLIENT: Duration = Duration::from_secs(10);

/// A connection may be closed in favour of any other client's when it has been idle for this long.
const IDLE_FOR_OTHERS: Duration = Duration::from_secs(60);

/// A client that has been reading a reply for this long may lose its connection when others need the memory.
const STALLED: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct ConnectionTable {
    pub(super) next: u64,
    pub(super) open: HashMap<u64, OpenConnection>,
}

/// An open connection.
pub(super) struct OpenConnection {
    pub(super) client: IpAddr,
    /// Whether the client may mount any export.
    pub(super) authorized: bool,
    pub(super) connection: Arc<Connection>,
}

impl ConnectionTable {
    /// Whether one more connection of this client is allowed, if necessary by closing another.
    ///
    /// A client over its limit loses one of its own: a machine that was reset must get in again, and no longer knows its
    /// old connections. When all are taken, unauthorized clients are disconnected first. Then the address with the most
    /// connections loses one, the one that has not used a file for longest: whoever has few keeps them. Whoever loses
    /// one can open it again, and repeats its calls.
    pub(super) fn make_room(&mut self, client: IpAddr, authorized: bool) -> bool {
        if !authorized {
            if self.count(|open| !open.authorized) >= MAX_UNAUTHORIZED {
                return self.close_idlest(|open| !open.authorized, Duration::ZERO);
            }
            return self.open.len() < MAX_CONNECTIONS;
        }
        let own = |open: &OpenConnection| open.client == client;
        let unused = |open: &OpenConnection| own(open) && open.connection.is_unused();
        if self.count(unused) >= MAX_UNUSED_PER_CLIENT {
            return self.close_idlest(unused, Duration::ZERO);
        }
        if self.count(own) >= MAX_PER_CLIENT {
            return self.close_idlest(own, IDLE_FOR_SAME_CLIENT);
        }
        self.open.len() < MAX_CONNECTIONS
            || self.close_idlest(|open| !open.authorized, Duration::ZERO)
            || self.close_of_busiest(client)
            || self.close_idlest(own, IDLE_FOR_SAME_CLIENT)
            || self.close_idlest(|_| true, IDLE_FOR_OTHERS)
    }

    fn count(&self, which: impl Fn(&OpenConnection) -> bool) -> usize {
        self.open.values().filter(|open| which(open)).count()
    }

    pub(super) fn close_of_busiest(&mut self, newcomer: IpAddr) -> bool {
        let open = self
            .open
            .iter()
            .map(|(id, open)| netroot_limits::OpenConnection {
                id: *id,
                client: open.client,
                idle: open.connection.idle(),
            });
        let chosen = busiest(open, newcomer);
        self.close(chosen)
    }

    fn close_idlest(
        &mut self,
        among: impl Fn(&OpenConnection) -> bool,
        at_least: Duration,
    ) -> bool {
        let idlest = self
            .open
            .iter()
            .filter(|(_, open)| among(open))
            .filter(|(_, open)| open.connection.is_unused() || open.connection.idle() >= at_least)
            .max_by_key(|(id, open)| {
                let connection = &open.connection;
                (connection.is_unused(), connection.idle(), u64::MAX - **id)
            })
            .map(|(id, _)| *id);
        self.close(idlest)
    }

    /// Closes the connection whose client has taken longest to read a reply, so that its memory is free for others.
    /// Were it a machine that hung, it would open another one.
    pub(super) fn close_stalled(&mut self) -> bool {
        let longest = self
            .open
            .iter()
            .map(|(id, open)| (open.connection.stalled(), *id))
            .filter(|(stalled, _)| *stalled >= STALLED)
            .max();
        self.close(longest.map(|(_, id)| id))
    }

    fn close(&mut self, id: Option<u64>) -> bool {
        match id.and_then(|id| self.open.remove(&id)) {
            Some(open) => {
                open.connection.close();
                true
            }
            None => false,
        }
    }
}
