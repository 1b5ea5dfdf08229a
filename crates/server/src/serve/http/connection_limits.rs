//! How many connections there may be, for one client and for all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections at once: a classroom of machines, each with a few.
const CONNECTIONS: usize = 256;
/// Connections at once from one address. EDK2 and iPXE use one or two.
pub(super) const CONNECTIONS_EACH: usize = 16;

/// Who has how many connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionLimits {
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back when dropped.
pub(super) struct ConnectionSlot {
    limits: Arc<ConnectionLimits>,
    peer: IpAddr,
}

impl ConnectionLimits {
    /// A place for one more connection, unless the client or the server has enough.
    pub(super) fn take(limits: &Arc<Self>, peer: IpAddr) -> Option<ConnectionSlot> {
        let mut taken = limits.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        let here = taken.entry(peer).or_default();
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
        let mut taken = self
            .limits
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = taken.get_mut(&self.peer) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}
