//! The roots: each image's directory, read-only, over NFSv3, with the key that lets handles outlive a restart.

mod exported;
mod handle_names;
mod kept_trees;
mod runner;
mod secrets;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_initramfs::RootTree;
use netroot_nfs_export::{
    AddressList, Counts, Event as NfsEvent, Export, ExportError, ExportOptions, HandleKey,
    HandleScheme, KeyError, Listeners as NfsListeners, Server, StartError, ThreadStates,
    raise_open_file_limit,
};

pub(crate) use self::exported::{Step, Terms, exported, is_booted};
use self::handle_names::HandleNames;
use self::kept_trees::KeptTrees;
pub(crate) use self::kept_trees::TreeUser;
pub(crate) use self::runner::{Runner, SILENT};
use crate::catalog::Catalog;
use crate::error_chain::with_causes;
use crate::serve::events::{Event, Ignored, Machine, Submounted, Timeline, Warning};
use crate::serve::listen::Listener;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::Interface;
use crate::serve::listen::sockets::{self, SocketError};
use crate::settings::Settings;

/// A root cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NfsError {
    /// The port.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The key's file has no valid key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The directory.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The file of the calls.
    #[error(
        "cannot record calls in {path}: {source}; unset {RECORD}, or name a file that can be written"
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The threads.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The exports with their sockets, not started yet: threads are started after privileges are dropped.
#[derive(Debug)]
pub(crate) struct Prepared {
    exports: Vec<Export>,
    sockets: NfsListeners,
    terms: Terms,
    /// The file systems below the exported directories.
    mounted: Vec<PathBuf>,
    /// How each directory is exported.
    options: Vec<(PathBuf, ExportOptions)>,
    /// Where calls are recorded ([`RECORD`]).
    record: Option<File>,
    /// Held open until the server has opened its own: it may read there only as long as somebody does.
    threads: ThreadStates,
}

/// The variable of the environment that names a file for [`Server::record_calls`]. For whoever measures a boot.
const RECORD: &str = "NETROOT_NFS_CALLS";

impl Prepared {
    /// Who may mount them, which can be changed.
    pub(crate) fn allowed(&self) -> AddressList {
        self.terms.allowed()
    }

    /// What all exports have in common.
    pub(crate) fn terms(&self) -> Terms {
        self.terms.clone()
    }

    /// Where the file systems are that are served below the exported directories. Each has a mount of its own in this
    /// process, which Landlock does not know to be below the directory.
    pub(crate) fn mounted(&self) -> Vec<PathBuf> {
        self.mounted.clone()
    }

    /// How each directory is exported.
    pub(crate) fn all_options(&self) -> Vec<(PathBuf, ExportOptions)> {
        self.options.clone()
    }

    /// How a directory is exported, to export what takes its place.
    pub(crate) fn options(&self, directory: &Path) -> Option<&ExportOptions> {
        let mut all = self.options.iter();
        let own = all.find(|(exported, _)| exported == directory);
        own.map(|(_, options)| options)
    }
}

/// Whether netroot exports a root itself, or may have to.
pub(crate) fn exports_own(settings: &Settings) -> bool {
    let mut roots = settings.catalog.roots();
    settings.config.is_some() || roots.any(|(_, root)| root.nfsroot.is_none())
}

/// Opens the directories that netroot exports itself, and binds the sockets; `key` signs the handles. `None` if every root is elsewhere.
pub(crate) fn prepare(
    settings: &Settings,
    catalog: &Catalog,
    listeners: &[Listener],
    allowed: &Allowed,
    key: HandleKey,
    timeline: &Timeline,
) -> Result<Option<Prepared>, NfsError> {
    // Whoever follows a configuration may have to export what is added to it.
    if !exports_own(settings) {
        return Ok(None);
    }
    let interfaces = || listeners.iter().map(|listener| &listener.interface);
    let mut bound = Vec::new();
    for interface in interfaces() {
        bound.extend(sockets::listen_on(
            interface,
            settings.nfs_port,
            sockets::NFS_REMEDY,
        )?);
    }
    let mut sockets = NfsListeners::new(bound);
    if settings.portmapper {
        let mut addresses = interfaces().flat_map(Interface::distinct_addresses);
        let bound = addresses.try_for_each(|address| sockets.bind_portmapper(address));
        if let Err(error) = bound {
            let error = error.to_string();
            timeline.server(Event::Warning(Warning::NoPortmapper { error }));
        }
    }
    raise_open_file_limit();
    let allowed = AddressList::networks(allowed.mount.iter().copied());
    let names = HandleNames::load(&settings.state);
    let terms = Terms::new(allowed, key, names, KeptTrees::load(&settings.state));
    let (mut exports, mut mounted) = (Vec::new(), Vec::new());
    let mut options = exported(catalog, &terms);
    terms.name_handles(&mut options);
    let mut gone = Vec::new();
    for (directory, options) in &options {
        // One that is only kept for machines that run from it: the server starts without it.
        let export = match (Export::open(directory, options.clone()), is_booted(options)) {
            (Err(error), false) => {
                let error = with_causes(&error);
                timeline.server(Event::Warning(Warning::TreeGone { error }));
                gone.push(directory.clone());
                continue;
            }
            (opened, _) => opened?,
        };
        for warning in secrets::warnings(directory, &options.hidden) {
            timeline.server(Event::Warning(warning));
        }
        let machines = terms.trees().stuck(directory, export.identity());
        if !machines.is_empty() {
            let root = directory.clone();
            timeline.server(Event::Warning(Warning::OtherHandles { root, machines }));
        }
        let below = Submounted::of(directory, export.mounts_below());
        mounted.extend(below.served.iter().map(|path| directory.join(path)));
        for warning in of_file_systems(directory, &export, below) {
            timeline.server(Event::Warning(warning));
        }
        exports.push(export);
    }
    options.retain(|(directory, _)| !gone.contains(directory));
    let record = std::env::var_os(RECORD).map(|path| {
        let opened = File::options().append(true).create(true).open(&path);
        opened.map_err(|source| NfsError::Record {
            path: path.into(),
            source,
        })
    });
    Ok(Some(Prepared {
        exports,
        sockets,
        terms,
        mounted,
        options,
        record: record.transpose()?,
        threads: ThreadStates::open(),
    }))
}

/// Opens a root while the server runs, for [`Server::exchange`]. Returns what an administrator should know of it, too.
///
/// # Errors
/// It cannot be exported.
pub(crate) fn open(
    root: &RootTree,
    options: ExportOptions,
) -> Result<(Export, Vec<Warning>), ExportError> {
    let mut warnings = secrets::warnings_in(root, &options.hidden);
    let path = PathBuf::from(format!("/proc/self/fd/{}", root.directory().as_raw_fd()));
    let export = Export::open(&path, options)?;
    let below = Submounted::of(root.path(), export.mounts_below());
    warnings.extend(of_file_systems(root.path(), &export, below));
    Ok((export, warnings))
}

fn of_file_systems(directory: &Path, export: &Export, below: Submounted) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !export.mounts_below().is_empty() {
        warnings.push(Warning::Submounts(below));
    }
    if export.handles() != HandleScheme::Kernel {
        let root = directory.to_owned();
        warnings.push(Warning::NoFileHandles { root });
    }
    warnings
}

/// The key, created at the first start. If it cannot be stored, one for this run; if it cannot be read, an error, since
/// running machines would lose their root without an explanation.
pub(crate) fn key(state: &Path, timeline: &Timeline) -> Result<HandleKey, NfsError> {
    let path: PathBuf = state.join("export.key");
    match HandleKey::load_or_create(&path) {
        Err(KeyError::Write { path, source }) => {
            timeline.server(Event::Warning(Warning::ExportKey {
                file: path,
                error: source.to_string(),
            }));
            Ok(HandleKey::random()?)
        }
        other => Ok(other?),
    }
}

/// Serves from now on.
pub(crate) fn start(prepared: Prepared, timeline: Timeline) -> Result<Server, NfsError> {
    let Prepared {
        exports,
        sockets,
        record,
        terms,
        options,
        threads,
        mounted: _,
    } = prepared;
    let recent = RecentMounts::default();
    let server = Server::start(exports, sockets, move |event| {
        if !recent.repeats(&event, Instant::now()) {
            log(&timeline, event);
        }
    })?;
    drop(threads);
    if let Some(file) = record {
        server.record_calls(file);
    }
    for export in server.users() {
        let mut options = options.iter();
        let own = options.find(|(_, options)| options.names.first() == export.names.first());
        if let (Some((directory, _)), Some(first)) = (own, export.names.first()) {
            let users = terms.trees().users(directory, export.identity);
            server.remember_users(first, &users);
        }
    }
    Ok(server)
}

/// What was logged lately. One boot mounts twice within a second: the init asks first, so that it can explain a
/// refusal, and then the kernel's client does.
#[derive(Debug, Default)]
struct RecentMounts(Mutex<HashMap<(IpAddr, String, bool), Instant>>);

impl RecentMounts {
    /// How far apart the two are at most, on an emulated machine under load.
    const SPAN: Duration = Duration::from_secs(10);

    /// How many are remembered. More than that are not repetitions: the timeline limits them for each client.
    const MOST: usize = 1024;

    /// Whether this client's mount of this path, or its end, was logged within the span.
    fn repeats(&self, event: &NfsEvent, now: Instant) -> bool {
        let (client, path, mounted) = match event {
            NfsEvent::Mounted { client, path } => (client, path, true),
            NfsEvent::Unmounted { client, path } => (client, path, false),
            _ => return false,
        };
        let recent = |at: &Instant| now.saturating_duration_since(*at) < Self::SPAN;
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client.ip(), path.clone(), mounted);
        if logged.get(&key).is_some_and(recent) {
            return true;
        }
        if logged.len() >= Self::MOST {
            logged.retain(|_, at| recent(at));
        }
        if logged.len() < Self::MOST {
            logged.insert(key, now);
        }
        false
    }
}

fn log(timeline: &Timeline, event: NfsEvent) {
    match event {
        NfsEvent::Mounted { client, path } => {
            timeline.machine(machine(client), Event::Mounted { path });
        }
        NfsEvent::Unmounted { client, path } => {
            timeline.machine(machine(client), Event::Unmounted { path });
        }
        NfsEvent::Refused { client, path, why } => {
            let by = machine(client);
            let client = client.ip().to_canonical();
            timeline.ignored(by, Ignored::Mount { client, path, why });
        }
        NfsEvent::CallRefused { client, why } => {
            let by = machine(client);
            let client = client.ip().to_canonical();
            timeline.ignored(by, Ignored::NfsCall { client, why });
        }
        NfsEvent::ConnectionRefused { client } => {
            timeline.ignored(machine(client), Ignored::NfsTooManyConnections);
        }
        NfsEvent::OutOfThreads { client } => {
            timeline.ignored(machine(client), Ignored::NfsOutOfThreads);
        }
        _ => {}
    }
}

/// The export's counters, by name.
pub(crate) fn counted(counts: &Counts) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("nfs_connections", counts.connections),
        ("nfs_connections_refused", counts.connections_refused),
        ("nfs_connections_stalled", counts.connections_stalled),
        ("nfs_calls", counts.calls),
        ("nfs_bytes_read", counts.bytes_read),
        ("nfs_bad_records", counts.bad_records),
        ("nfs_not_calls", counts.not_calls),
        ("nfs_garbage", counts.garbage),
        ("nfs_unavailable", counts.unavailable),
        ("nfs_denied", counts.denied),
        ("nfs_bad_handles", counts.bad_handles),
        ("nfs_stale_handles", counts.stale_handles),
        ("nfs_bad_names", counts.bad_names),
        ("nfs_writes_refused", counts.writes_refused),
    ])
}

fn machine(client: SocketAddr) -> Machine {
    Machine::Address(client.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_the_kernel_after_the_inits_is_not_logged_again() {
        let mounted = |client: &str| NfsEvent::Mounted {
            client: client.parse().unwrap(),
            path: "/debian".to_owned(),
        };
        let (start, recent) = (Instant::now(), RecentMounts::default());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!recent.repeats(&mounted("10.0.0.7:700"), start));
        assert!(recent.repeats(&mounted("10.0.0.7:701"), later(1)));
        assert!(!recent.repeats(&mounted("10.0.0.8:700"), later(2)));
        assert!(!recent.repeats(&mounted("10.0.0.7:702"), later(60)));
    }
}
