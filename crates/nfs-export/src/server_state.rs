//! What the connections and programs of a server share.

use std::sync::{Arc, OnceLock};

use crate::counters::Counters;
use crate::event::Event;
use crate::exports::{Exports, ServedExports};
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
    pub(crate) exports: ServedExports,
    pub(crate) ports: Ports,
    pub(crate) counters: Counters,
    pub(crate) replies: Arc<ReplyMemory>,
    pub(crate) mounts: MountTable,
    /// Called before a path is looked up for a client that may mount.
    before_mount: OnceLock<Box<dyn Fn() + Send + Sync>>,
    events: Box<dyn Fn(Event) + Send + Sync>,
}

impl ServerState {
    pub(crate) fn new(
        exports: Exports,
        ports: Ports,
        events: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Self {
        Self {
            exports: ServedExports::new(exports),
            ports,
            counters: Counters::default(),
            replies: Arc::default(),
            mounts: MountTable::default(),
            before_mount: OnceLock::new(),
            events,
        }
    }

    /// Only the first call has an effect.
    pub(crate) fn set_before_mount(&self, call: Box<dyn Fn() + Send + Sync>) {
        let _ = self.before_mount.set(call);
    }

    pub(crate) fn before_mount(&self) {
        if let Some(call) = self.before_mount.get() {
            call();
        }
    }

    pub(crate) fn report(&self, event: Event) {
        (self.events)(event);
    }
}
