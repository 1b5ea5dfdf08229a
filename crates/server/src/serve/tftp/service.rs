//! What every transfer of an interface shares, and what those of all interfaces share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netroot_proto::tftp::negotiate::Limits;
use netroot_proto::tftp::packet::Packet;

use super::admission::TransferLimits;
use super::polling::Pollers;
use super::slots::Slots;
use crate::serve::artifacts::{ArtifactStore, FileReads};
use crate::serve::counters::Counters;
use crate::serve::events::{Ignored, Machine, Timeline};
use crate::serve::hook::Hook;
use crate::serve::listen::allowed::LiveAllowed;
use crate::serve::listen::live_interface::LiveInterface;

/// Concurrent transfers: firmware has one at a time, a classroom many. A transfer that nobody has acknowledged yet
/// lives for milliseconds, so that their pool is small.
const TRANSFERS: TransferLimits = TransferLimits {
    per_client: 8,
    total: 256,
    unheard_per_client: 8,
    unheard: 128,
};
/// The longest request that is read, in bytes (RFC 2347 §3).
pub(super) const REQUEST: usize = 512;

/// What every transfer shares.
#[derive(Debug)]
pub(crate) struct Service {
    /// Name → artifact.
    pub(super) artifacts: Arc<ArtifactStore>,
    /// Reads their files.
    pub(super) reads: Arc<FileReads>,
    /// The interface.
    pub(super) interface: Arc<LiveInterface>,
    /// From where machines may ask.
    pub(super) allowed: Arc<LiveAllowed>,
    /// Where events are logged.
    pub(super) timeline: Timeline,
    /// Who says what a machine boots, before the configuration.
    pub(super) hook: Option<Arc<Hook>>,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// The running transfers.
    pub(super) slots: Arc<Slots>,
    /// Those that wait for their client awake.
    pub(super) pollers: Arc<Pollers>,
    /// When the transfers' clock started.
    pub(super) started: Instant,
    datagrams: Mutex<Vec<u8>>,
}

/// What a service has in common with the server's other parts.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// Reads their files.
    pub(crate) reads: Arc<FileReads>,
    /// From where machines may ask.
    pub(crate) allowed: Arc<LiveAllowed>,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// Who says what a machine boots, before the configuration.
    pub(crate) hook: Option<Arc<Hook>>,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// The transfers that wait for their client awake.
    pub(crate) pollers: Arc<Pollers>,
}

impl Service {
    /// A service on `interface`.
    pub(crate) fn new(shared: Shared, interface: Arc<LiveInterface>) -> Self {
        Self {
            artifacts: shared.artifacts,
            reads: shared.reads,
            interface,
            allowed: shared.allowed,
            timeline: shared.timeline,
            hook: shared.hook,
            counters: shared.counters,
            slots: Slots::new(TRANSFERS),
            pollers: shared.pollers,
            started: Instant::now(),
            datagrams: Mutex::default(),
        }
    }

    /// The largest options that are granted: what fits the interface's MTU.
    pub(super) fn limits(&self) -> Limits {
        Limits::for_mtu(self.interface.last().mtu)
    }

    /// The transfers' time.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment of the clock that is this time of the transfers.
    pub(super) fn at(&self, time: Duration) -> Instant {
        self.started + time
    }

    /// Where each transfer in turn writes the datagrams that it sends at once: 64 KiB for all of them.
    pub(super) fn datagrams(&self) -> MutexGuard<'_, Vec<u8>> {
        self.datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and logs a name that is not served; the answer to it.
    pub(super) fn not_found(&self, machine: Machine, name: String) -> Packet<'static> {
        Counters::count(&self.counters.tftp_unknown_names);
        self.timeline
            .ignored(machine, Ignored::TftpUnknown { name });
        Packet::not_found()
    }
}
