//! Limits on the number of connections, per client and in total.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Concurrent connections of all clients: a classroom of machines, each with a few.
const CONNECTIONS: usize = 256;
/// Concurrent connections of one address. EDK2 and iPXE use one or two.
pub(super) const CONNECTIONS_EACH: usize = 16;

/// How many connections each client has.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The slot of one connection, released when dropped.
pub(super) struct ConnectionSlot {
    limits: Arc<ConnectionLimits>,
    peer: IpAddr,
}

impl ConnectionLimits {
    /// A slot for one more connection, unless the client or the server has reached its limit.
    pub(super) fn take(limits: &Arc<Self>, peer: IpAddr) -> Option<ConnectionSlot> {
        let mut open = limits.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        let here = open.entry(peer).or_default();
        if *here >= CONNECTIONS_EACH {
            return None;
        }
        *here += 1;
        Some(ConnectionSlot {
            limits: Arc::clone(limits),
            peer,
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self
            .limits
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = open.get_mut(&self.peer) {
            *here -= 1;
            if *here == 0 {
                open.remove(&self.peer);
            }
        }
    }
}
