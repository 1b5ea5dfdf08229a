//! What nobody tells of is looked at every few seconds: what machines read by NFS, and who has fallen silent.

use std::sync::Arc;
use std::time::Duration;

use super::History;
use super::nfs_reads::NfsReads;
use crate::serve::events::{Machine, Timeline};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until the runtime ends.
pub(crate) async fn run(history: Arc<History>, reads: Arc<NfsReads>, timeline: Timeline) {
    loop {
        tokio::time::sleep(EVERY).await;
        reads.note(&history, &timeline);
        for death in history.take_deaths() {
            timeline.machine(Machine::Mac(death.mac), death.event);
        }
    }
}
