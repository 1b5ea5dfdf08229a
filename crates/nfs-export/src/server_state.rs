//! What the connections and programs of a server share.

use std::sync::Arc;

use crate::counters::Counters;
use crate::event::Event;
use crate::exports::Exports;
use crate::mount_table::MountTable;
use crate::rpc::reply_memory::ReplyMemory;

/// The ports that the portmapper answers with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) nfs: u16,
    pub(crate) portmap_tcp: Option<u16>,
    pub(crate) portmap_udp: Option<u16>,
}

/// The state that all connections share.
pub(crate) struct ServerState {
    pub(crate) exports: Exports,
    pub(crate) ports: Ports,
    pub(crate) counters: Counters,
    pub(crate) replies: Arc<ReplyMemory>,
    pub(crate) mounts: MountTable,
    events: Box<dyn Fn(Event) + Send + Sync>,
}

impl ServerState {
    pub(crate) fn new(
        exports: Exports,
        ports: Ports,
        events: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Self {
        Self {
            exports,
            ports,
            counters: Counters::default(),
            replies: Arc::default(),
            mounts: MountTable::default(),
            events,
        }
    }

    pub(crate) fn report(&self, event: Event) {
        (self.events)(event);
    }
}
