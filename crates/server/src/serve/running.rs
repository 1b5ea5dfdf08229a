//! The server while it runs: its tasks and threads, from the event `ready` to the event `stopped`.

mod interfaces;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(crate) use self::interfaces::Following;
use self::interfaces::{Interfaces, SharedServices};
use crate::serve::api::socket::{self, Control};
use crate::serve::api::tcp::TcpApi;
use crate::serve::api::{Api, Sources};
use crate::serve::artifacts::{ArtifactStore, FileReads};
use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::error::ServeError;
use crate::serve::events::{Event, Timeline};
use crate::serve::history::nfs_reads::NfsReads;
use crate::serve::history::{History, watch};
use crate::serve::hook::Hook;
use crate::serve::http;
use crate::serve::isolation::IsolationError;
use crate::serve::listen::Listener;
use crate::serve::listen::allowed::{Allowed, LiveAllowed};
use crate::serve::look_requests::Looks;
use crate::serve::nfs::{self, Prepared};
use crate::serve::privileged_helper::Helpers;
use crate::serve::readahead::{self, Readahead};
use crate::serve::report_tokens::ReportTokens;
use crate::serve::reports::Reports;
use crate::serve::root_watch::{FollowedRoots, RootWatch, World};
use crate::serve::service_manager::ServiceManager;
use crate::serve::status::Status;
use crate::serve::tftp::Pollers;
use crate::serve::unified::UnifiedImages;
use crate::settings::HookSettings;

/// Everything that serving needs, ready: nothing after this can be refused.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The interfaces with their sockets.
    pub(crate) listeners: Vec<Listener>,
    /// NFS; `None` where another server exports every root.
    pub(crate) export: Option<Prepared>,
    /// What machines fetch.
    pub(crate) artifacts: ArtifactStore,
    /// What happened to each machine.
    pub(crate) history: Arc<History>,
    /// The HTTP server's port.
    pub(crate) http_port: u16,
    /// The clock by which the leases were read.
    pub(crate) clock: Clock,
    /// What the server shows of itself.
    pub(crate) status: Status,
    /// What machines report with.
    pub(crate) tokens: Arc<ReportTokens>,
    /// Who may mount and load.
    pub(crate) allowed: Allowed,
    /// What follows the interfaces.
    pub(crate) following: Following,
    /// Who waits for the server to be ready.
    pub(crate) service_manager: ServiceManager,
    /// The helper processes.
    pub(crate) helpers: Helpers,
    /// The roots, and what is made from them.
    pub(crate) followed_roots: FollowedRoots,
    /// What makes unified kernel images.
    pub(crate) unified: UnifiedImages,
    /// What boots read.
    pub(crate) readahead: Readahead,
    /// The socket for commands.
    pub(crate) control: Option<Control>,
    /// The API over TCP, and the names by which it is reached.
    pub(crate) tcp_api: Option<TcpApi>,
    pub(crate) hosts: Vec<String>,
    /// Told when what keeps the isolated networks has ended.
    pub(crate) isolation_ended: Arc<Notify>,
    /// The file of the roots that were exchanged.
    pub(crate) swaps: PathBuf,
}

/// Serves until SIGTERM or SIGINT, on one thread and those of the export.
pub(crate) fn until_stopped(
    parts: Parts,
    timeline: &Timeline,
    counters: &Arc<Counters>,
) -> Result<(), ServeError> {
    let Parts {
        listeners,
        export,
        artifacts,
        history,
        http_port,
        clock,
        status,
        tokens,
        service_manager,
        helpers,
        followed_roots,
        unified,
        readahead,
        control,
        tcp_api,
        hosts,
        allowed,
        following,
        isolation_ended,
        swaps,
    } = parts;
    let writer = timeline.start_writer().map_err(ServeError::Runtime)?;
    let terms = export.as_ref().map(Prepared::terms);
    let nfs = export
        .map(|export| nfs::start(export, timeline.clone()))
        .transpose()?
        .map(Arc::new);
    let nfs_reads = Arc::new(NfsReads::of(nfs.clone()));
    let artifacts = Arc::new(artifacts);
    let (looks, asked) = Looks::new();
    let sources = Sources {
        artifacts: Arc::clone(&artifacts),
        timeline: timeline.clone(),
        status: status.clone(),
        history: Arc::clone(&history),
        counters: Arc::clone(counters),
        nfs: nfs.clone(),
        terms,
        looks: looks.clone(),
        swaps,
    };
    let api = Api::new(sources, &hosts);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // A connection's turn sends up to 2 MiB of a file: new packets are looked for after a few, not after 61.
        .event_interval(8)
        .build()
        .map_err(ServeError::Runtime)?;
    let hook = helpers
        .hook
        .map(|(HookSettings { url, deadline, .. }, helper)| {
            let _within = runtime.enter();
            Hook::start(helper, url, deadline)
        });
    let readahead = Arc::new(readahead);
    let site = Arc::new(http::Site {
        hook: hook.transpose().map_err(ServeError::Runtime)?,
        artifacts,
        api: Arc::clone(&api),
        reads: FileReads::new(),
        status: status.clone(),
        timeline: timeline.clone(),
        counters: Arc::clone(counters),
        nfs: nfs.clone(),
        reports: Reports::new(tokens, Arc::clone(&history), Arc::clone(&nfs_reads)),
        history: Arc::clone(&history),
        dhcp: Mutex::default(),
        readahead: Arc::clone(&readahead),
        pages: http::Pages::default(),
        limits: http::limits(),
        unsent: http::Unsent::default(),
    });

    let mut dhcp = Vec::new();
    let ready_now = status.ready(&site.artifacts.catalog());
    let ready = || {
        timeline.server(Event::Ready(ready_now));
        service_manager.ready();
    };
    let ended = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let world = World {
            artifacts: Arc::clone(&site.artifacts),
            nfs: nfs.clone(),
            timeline: timeline.clone(),
            history: Arc::clone(&history),
            root_helper: Arc::new(helpers.roots.into_client()?),
            file_helper: Arc::new(helpers.files.into_client()?),
            unified,
        };
        if let Some(nfs) = &nfs {
            let (machines, told) = (timeline.machines_handle(), Arc::clone(&history));
            nfs.told_by(move |client| told.told(machines.at(client)?));
            let (places, looks) = (followed_roots.places(), looks.clone());
            nfs.before_mounts(move || {
                if !places.are_as_seen() {
                    looks.before_mount();
                }
            });
        }
        if let Some(control) = control {
            tasks.spawn(socket::run(control, Arc::clone(&api)));
        }
        if let Some(tcp_api) = tcp_api {
            tasks.spawn(tcp_api.run(api, timeline.clone()));
        }
        let catalogs = Arc::clone(&site.artifacts);
        site.artifacts.keep_fresh(looks);
        let watch = RootWatch::new(world, followed_roots, asked);
        tasks.spawn(watch.run(signal(SignalKind::hangup())?));
        let services = SharedServices {
            site,
            http_port,
            allowed: Arc::new(LiveAllowed::new(allowed)),
            clock,
            pollers: Arc::new(Pollers::new()),
            status: status.clone(),
        };
        let network = helpers.network.into_client()?;
        let interfaces = Interfaces::start(listeners, following, network, services)?;
        dhcp.extend(interfaces.dhcp());
        tasks.spawn(interfaces.follow());
        let booted = Arc::clone(&history);
        let watched = watch::run(history, nfs_reads, timeline.clone());
        tasks.spawn(async {
            watched.await;
            Ok(())
        });
        let noted = readahead::run(readahead, nfs.clone(), catalogs, timeline.clone(), booted);
        tasks.spawn(async {
            noted.await;
            Ok(())
        });
        let machines = timeline.machines_handle();
        tasks.spawn(async move {
            loop {
                machines.secure_boots().changed().await;
                let saving = Arc::clone(&machines);
                let _ = tokio::task::spawn_blocking(move || saving.secure_boots().save()).await;
            }
        });
        let reported = timeline.clone().report_left_out();
        tasks.spawn(async {
            reported.await;
            Ok(())
        });
        // None of the tasks ends unless it fails.
        tokio::select! {
            signal = stop_signal(ready) => signal.map(Some),
            Some(failed) = tasks.join_next() => failed.map_err(io::Error::other)?.map(|()| Some("")),
            () = isolation_ended.notified() => Ok(None),
        }
    });
    // With the runtime go its tasks, and with them every handle to the export but this one.
    // Not a read of a disk that does not answer.
    runtime.shutdown_background();
    for service in dhcp {
        service.stop();
    }
    timeline.machines().secure_boots().save();
    let mut counted = counters.snapshot().list();
    if let Some(nfs) = nfs.and_then(Arc::into_inner) {
        counted.extend(nfs::counted(&nfs.counts()));
        nfs.stop();
    }
    timeline.left_out();
    if let Ok(Some(signal)) = &ended {
        timeline.server(Event::Stopped {
            signal,
            uptime: status.started.elapsed(),
            counters: counted,
        });
    }
    writer.finish();
    match ended {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(IsolationError::Alone.into()),
        Err(error) => Err(ServeError::Runtime(error)),
    }
}

/// Waits for a signal to end by, and returns its name. `listening` is called once a signal would be noticed.
async fn stop_signal(listening: impl FnOnce()) -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    listening();
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
