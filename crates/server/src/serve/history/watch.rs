//! What nobody tells of is looked at every few seconds: what machines read by NFS, and who has fallen silent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use netroot_nfs_export::Server;

use super::History;
use crate::serve::events::{Machine, Timeline};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until the runtime ends.
pub(crate) async fn run(history: Arc<History>, nfs: Option<Arc<Server>>, timeline: Timeline) {
    let mut before = HashMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        if let Some(nfs) = &nfs {
            let mut now = HashMap::new();
            for used in nfs.connections() {
                let (calls, bytes) = before.get(&used.id).copied().unwrap_or_default();
                now.insert(used.id, (used.calls, used.bytes));
                let calls = used.calls.saturating_sub(calls);
                if calls > 0 {
                    let address = used.client.to_canonical();
                    let machine = timeline.machines().at(address);
                    let machine = machine.map_or(Machine::Address(address), Machine::Mac);
                    history.used_nfs(machine, calls, used.bytes.saturating_sub(bytes));
                }
            }
            before = now;
        }
        for death in history.take_deaths() {
            timeline.machine(Machine::Mac(death.mac), death.event);
        }
    }
}
