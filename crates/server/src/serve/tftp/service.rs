//! What every transfer of an interface shares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_net::Prefix;
use netroot_proto::tftp::negotiate::Limits;
use netroot_proto::tftp::packet::Packet;

use super::admission::TransferLimits;
use super::slots::Slots;
use crate::serve::artifacts::{ArtifactStore, FileReads};
use crate::serve::counters::Counters;
use crate::serve::events::{Ignored, Machine, Timeline};
use crate::serve::listen::interface::Interface;

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
    /// The interface's name.
    pub(super) interface: String,
    /// Its networks.
    pub(super) networks: Vec<Prefix>,
    /// The other networks that may ask (`--allow`).
    pub(super) allowed: Vec<Prefix>,
    /// The largest options that are granted, from the interface's MTU.
    pub(super) limits: Limits,
    /// Where events are logged.
    pub(super) timeline: Timeline,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// The running transfers.
    pub(super) slots: Arc<Slots>,
    /// When the transfers' clock started.
    pub(super) started: Instant,
}

/// What a service has in common with the server's other parts.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// Reads their files.
    pub(crate) reads: Arc<FileReads>,
    /// The networks beside the interface's own that may ask (`--allow`).
    pub(crate) allowed: Vec<Prefix>,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
}

impl Service {
    /// A service on `interface`, which grants what fits its MTU.
    pub(crate) fn new(shared: Shared, interface: &Interface) -> Self {
        Self {
            artifacts: shared.artifacts,
            reads: shared.reads,
            interface: interface.name.clone(),
            networks: interface.networks().collect(),
            allowed: shared.allowed,
            limits: Limits::for_mtu(interface.mtu),
            timeline: shared.timeline,
            counters: shared.counters,
            slots: Slots::new(TRANSFERS),
            started: Instant::now(),
        }
    }

    /// The transfers' time.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Counts and logs a name that is not served; the answer to it.
    pub(super) fn not_found(&self, machine: Machine, name: String) -> Packet<'static> {
        Counters::count(&self.counters.tftp_unknown_names);
        self.timeline
            .ignored(machine, Ignored::TftpUnknown { name });
        Packet::not_found()
    }
}
