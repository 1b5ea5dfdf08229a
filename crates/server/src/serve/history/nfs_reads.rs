//! What machines read by NFS. The export counts it for each connection, and tells nobody: it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use netroot_nfs_export::Server;

use super::History;
use crate::serve::events::{Machine, Timeline};

/// What of it is in the history.
#[derive(Debug, Default)]
pub(crate) struct NfsReads {
    /// `None` where nothing is exported.
    nfs: Option<Arc<Server>>,
    /// The calls and bytes of each connection that are.
    noted: Mutex<HashMap<u64, (u64, u64)>>,
}

impl NfsReads {
    /// Nothing so far of what `nfs` counts.
    pub(crate) fn of(nfs: Option<Arc<Server>>) -> Self {
        Self {
            nfs,
            noted: Mutex::default(),
        }
    }

    /// Adds what was read since it was asked last. That is done every few seconds, and before a report is told: it says that the
    /// machine runs, which comes after what the machine has read until then.
    pub(crate) fn note(&self, history: &History, timeline: &Timeline) {
        let Some(nfs) = &self.nfs else {
            return;
        };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = HashMap::new();
        for used in nfs.connections() {
            let (calls, bytes) = noted.get(&used.id).copied().unwrap_or_default();
            now.insert(used.id, (used.calls, used.bytes));
            let calls = used.calls.saturating_sub(calls);
            if calls > 0 {
                let address = used.client.to_canonical();
                let machine = timeline.machines().at(address);
                let machine = machine.map_or(Machine::Address(address), Machine::Mac);
                history.used_nfs(machine, calls, used.bytes.saturating_sub(bytes));
            }
        }
        *noted = now;
    }
}
