//! The server while it runs: its tasks and threads, from the line `ready` to the line `stopped`.

use std::io;
use std::sync::Arc;

use netroot_proto::dhcp::{BINL_PORT, SERVER_PORT};
use netroot_proto::pxe::config::{Config, Loader};
use tokio::signal::unix::{SignalKind, signal};

use super::dhcp::solicitations;
use super::{http, tftp};
use crate::serve::artifacts::script::Boot;
use crate::serve::artifacts::store::Shelf;
use crate::serve::counters::Counters;
use crate::serve::dhcp::service::{self as dhcp, Clock, Office};
use crate::serve::error::ServeError;
use crate::serve::events::{Event, Timeline};
use crate::serve::listen::interface::Interface;
use crate::serve::listen::sockets::Sockets;
use crate::serve::nfs::{self, Prepared};
use crate::serve::reports::Reports;
use crate::serve::status::Status;

/// Everything that serving takes, ready: nothing after this can be refused.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The wire.
    pub(crate) interface: Interface,
    /// Who gives the addresses.
    pub(crate) office: Office,
    /// Every socket but NFS's.
    pub(crate) sockets: Sockets,
    /// NFS; nothing where another server exports the root.
    pub(crate) export: Option<Prepared>,
    /// What machines are told.
    pub(crate) boot: Boot,
    /// What machines fetch.
    pub(crate) shelf: Shelf,
    /// What DHCP names to firmware.
    pub(crate) loaders: Vec<Loader>,
    /// What the server tells of itself.
    pub(crate) status: Status,
}

/// Serves until SIGTERM or SIGINT, on one thread and those of the export.
pub(crate) fn until_stopped(
    parts: Parts,
    timeline: &Timeline,
    counters: &Arc<Counters>,
) -> Result<(), ServeError> {
    let Parts {
        interface,
        office,
        sockets,
        export,
        boot,
        shelf,
        loaders,
        status,
    } = parts;
    let writer = timeline.start_writer().map_err(ServeError::Runtime)?;
    let nfs = export
        .map(|export| nfs::start(export, timeline.clone()))
        .transpose()?
        .map(Arc::new);
    let shelf = Arc::new(shelf);
    let tftp = Arc::new(tftp::Service::new(
        Arc::clone(&shelf),
        interface.mtu,
        timeline.clone(),
        Arc::clone(counters),
    ));
    let site = Arc::new(http::Site {
        shelf,
        status: status.clone(),
        timeline: timeline.clone(),
        counters: Arc::clone(counters),
        nfs: nfs.clone(),
        reports: Reports::default(),
    });
    let dhcp = Arc::new(dhcp::Service {
        config: Config {
            http_port: status.http.port(),
            script_path: "boot/{mac}.ipxe".to_owned(),
            loaders,
            root_path: Some(boot.nfsroot(interface.address).into_bytes()),
        },
        interface,
        office,
        frames: Some(sockets.frames),
        timeline: timeline.clone(),
        counters: Arc::clone(counters),
        clock: Clock::start(),
    });

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let ended = runtime.block_on(async {
        // None of the servers ends by itself but by failing.
        tokio::select! {
            signal = stop_signal(|| timeline.server(Event::Ready(status.ready()))) => signal,
            failed = dhcp::run(sockets.dhcp, SERVER_PORT, Arc::clone(&dhcp)) => failed.map(|()| ""),
            failed = dhcp::run(sockets.binl, BINL_PORT, Arc::clone(&dhcp)) => failed.map(|()| ""),
            failed = tftp::run(sockets.tftp, tftp) => failed.map(|()| ""),
            failed = http::run(sockets.http, site) => failed.map(|()| ""),
            () = dhcp::keep_leases(Arc::clone(&dhcp)) => Ok(""),
            failed = solicitations::run(sockets.solicitations, &dhcp.interface, timeline) => failed.map(|()| ""),
        }
    });
    // With the runtime go its tasks, and with them every handle to the export but ours.
    drop(runtime);
    dhcp.save_leases();
    let mut counted = counters.snapshot().list();
    if let Some(nfs) = nfs.and_then(Arc::into_inner) {
        counted.extend(nfs::counted(&nfs.counts()));
        nfs.stop();
    }
    if let Ok(signal) = &ended {
        timeline.server(Event::Stopped {
            signal,
            uptime: status.started.elapsed(),
            counters: counted,
        });
    }
    writer.finish();
    ended.map(|_| ()).map_err(ServeError::Runtime)
}

/// Waits for a signal to end by, and returns its name. `listening` is called once one would be heard.
async fn stop_signal(listening: impl FnOnce()) -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    listening();
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
