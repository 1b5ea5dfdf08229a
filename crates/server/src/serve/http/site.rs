//! What all connections share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use netroot_net::Mac;

use super::ends::Ends;
use super::pages::Pages;
use super::unsent::Unsent;
use crate::serve::api::Api;
use crate::serve::artifacts::{ArtifactStore, FileReads};
use crate::serve::connection_limits::ConnectionLimits;
use crate::serve::counters::Counters;
use crate::serve::dhcp::service as dhcp;
use crate::serve::events::Timeline;
use crate::serve::history::History;
use crate::serve::hook::Hook;
use crate::serve::metrics::{Counter, Metrics};
use crate::serve::nfs;
use crate::serve::readahead::Readahead;
use crate::serve::reports::Reports;
use crate::serve::status::Status;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Site {
    /// Name → artifact.
    pub(crate) artifacts: Arc<ArtifactStore>,
    /// Reads their files.
    pub(crate) reads: Arc<FileReads>,
    /// What `/` and `/status` show.
    pub(crate) status: Status,
    /// Where events are logged.
    pub(crate) timeline: Timeline,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// The export, which has counters of its own.
    pub(crate) nfs: Option<Arc<netroot_nfs_export::Server>>,
    /// What programs and the page ask for.
    pub(crate) api: Arc<Api>,
    /// Who says what a machine boots, before the configuration.
    pub(crate) hook: Option<Arc<Hook>>,
    /// What happened to each machine.
    pub(crate) history: Arc<History>,
    /// DHCP on each interface.
    pub(crate) dhcp: Mutex<Vec<Weak<dhcp::Service>>>,
    /// What the next machines read ahead.
    pub(crate) readahead: Arc<Readahead>,
    /// The machines' boot reports.
    pub(crate) reports: Reports,
    /// `/` and `/status` as they were last made, and what is held of them.
    pub(crate) pages: Pages,
    /// The limits on connections, for all listeners together.
    pub(crate) limits: Arc<ConnectionLimits>,
    /// What the kernel may hold of files.
    pub(crate) unsent: Unsent,
}

impl Site {
    /// The name of the image that a machine boots.
    pub(super) fn image_of(&self, mac: Mac, ends: &Ends) -> String {
        let machine = self.timeline.machines().known(Some(mac));
        let catalog = self.artifacts.catalog();
        let assigned = self.artifacts.assign(&catalog, &machine, &ends.arrived());
        let image = assigned.image();
        image.map(|image| image.name.clone()).unwrap_or_default()
    }

    /// What Prometheus reads.
    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics {
            uptime: self.status.started.elapsed(),
            boots: self.history.boots(),
            ..Metrics::default()
        };
        let own = self.counters.snapshot().explained().into_iter();
        let own = own.map(|(name, help, count)| Counter {
            name: name.to_owned(),
            help,
            count,
        });
        metrics.counters.extend(own);
        if let Some(nfs) = &self.nfs {
            for (name, help, count) in nfs.counts().explained() {
                match name {
                    "connections_open" => metrics.nfs_connections = Some(count),
                    _ => metrics.counters.push(Counter {
                        name: format!("nfs_{name}"),
                        help,
                        count,
                    }),
                }
            }
        }
        let catalog = self.artifacts.catalog();
        let images = catalog.images();
        metrics.images = images
            .map(|image| {
                (
                    image.name.clone(),
                    image.linux().unwrap_or_default().to_owned(),
                )
            })
            .collect();
        let services = self.dhcp.lock().unwrap_or_else(PoisonError::into_inner);
        let services = services.iter().filter_map(Weak::upgrade);
        metrics.ranges = services.flat_map(|service| service.used()).collect();
        metrics
    }

    /// What is counted, ours and the export's.
    pub(super) fn counted(&self) -> BTreeMap<&'static str, u64> {
        let nfs = self
            .nfs
            .as_ref()
            .map(|nfs| nfs::counted(&nfs.counts()))
            .unwrap_or_default();
        self.counters
            .snapshot()
            .list()
            .into_iter()
            .chain(nfs)
            .collect()
    }
}
