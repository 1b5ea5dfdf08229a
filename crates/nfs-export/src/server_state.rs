//! What the connections and programs of a server share.

use std::fs::File;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::counters::Counters;
use crate::event::Event;
use crate::exports::{Exports, ServedExports};
use crate::mount_table::MountTable;
use crate::recent_listings::RecentListings;
use crate::rpc::reply_memory::ReplyMemory;
use crate::used_files::Watched;

/// The ports that the portmapper answers with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) nfs: u16,
    pub(crate) portmap_tcp: Option<u16>,
    pub(crate) portmap_udp: Option<u16>,
}

/// Where calls are recorded.
#[derive(Debug)]
pub(crate) struct RecordedCalls {
    file: File,
    began: Instant,
}

impl RecordedCalls {
    /// Each write is a line.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// When the recording began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }
}

/// How long ago a client was told what to mount.
pub(crate) type ToldBy = Box<dyn Fn(IpAddr) -> Option<Duration> + Send + Sync>;

/// The state that all connections share.
pub(crate) struct ServerState {
    pub(crate) exports: ServedExports,
    pub(crate) ports: Ports,
    pub(crate) counters: Counters,
    pub(crate) replies: Arc<ReplyMemory>,
    pub(crate) mounts: MountTable,
    pub(crate) listings: RecentListings,
    /// Called before a path is looked up for a client that may mount.
    before_mount: OnceLock<Box<dyn Fn() + Send + Sync>>,
    told_by: OnceLock<ToldBy>,
    recorded_calls: OnceLock<RecordedCalls>,
    pub(crate) watched: Watched,
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
            listings: RecentListings::default(),
            before_mount: OnceLock::new(),
            told_by: OnceLock::new(),
            recorded_calls: OnceLock::new(),
            watched: Watched::default(),
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

    /// Only the first call has an effect.
    pub(crate) fn set_told_by(&self, call: ToldBy) {
        let _ = self.told_by.set(call);
    }

    /// How long ago this client was told what to mount, if that is known.
    pub(crate) fn told(&self, client: IpAddr) -> Option<Duration> {
        self.told_by.get()?(client.to_canonical())
    }

    /// Only the first call has an effect.
    pub(crate) fn record_calls(&self, file: File) {
        let began = Instant::now();
        let _ = self.recorded_calls.set(RecordedCalls { file, began });
    }

    pub(crate) fn recorded_calls(&self) -> Option<&RecordedCalls> {
        self.recorded_calls.get()
    }

    pub(crate) fn report(&self, event: Event) {
        (self.events)(event);
    }
}
