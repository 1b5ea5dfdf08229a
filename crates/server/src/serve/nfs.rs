//! The roots: each image's directory, read-only, over NFSv3, with the key that lets handles outlive a restart.

mod secrets;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_nfs_export::{
    AddressList, Counts, Event as NfsEvent, Export, ExportError, ExportOptions, HandleKey,
    HandleScheme, HiddenPaths, KeyError, Listeners as NfsListeners, Server, StartError, Submounts,
    raise_open_file_limit,
};

use crate::catalog::{Catalog, RootLocation};
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
    /// The threads.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The exports with their sockets, not started yet: threads are started after privileges are dropped.
#[derive(Debug)]
pub(crate) struct Prepared {
    exports: Vec<Export>,
    sockets: NfsListeners,
    allowed: AddressList,
    /// The file systems below the exported directories.
    mounted: Vec<PathBuf>,
    /// How each directory is exported.
    options: Vec<(PathBuf, ExportOptions)>,
}

impl Prepared {
    /// Who may mount them, which can be changed.
    pub(crate) fn allowed(&self) -> AddressList {
        self.allowed.clone()
    }

    /// Where the file systems are that are served below the exported directories. Each has a mount of its own in this
    /// process, which Landlock does not know to be below the directory.
    pub(crate) fn mounted(&self) -> Vec<PathBuf> {
        self.mounted.clone()
    }

    /// How a directory is exported, to export what takes its place.
    pub(crate) fn options(&self, directory: &Path) -> Option<&ExportOptions> {
        let mut all = self.options.iter();
        let own = all.find(|(exported, _)| exported == directory);
        own.map(|(_, options)| options)
    }
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
    let directories = exported(catalog);
    if directories.is_empty() {
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
    let (mut exports, mut all_options) = (Vec::new(), Vec::new());
    let mut mounted = Vec::new();
    for (directory, exported) in directories {
        let Exported {
            names,
            hidden,
            submounts,
        } = exported;
        for warning in secrets::warnings(&directory, &hidden) {
            timeline.server(Event::Warning(warning));
        }
        let options = ExportOptions {
            names,
            allowed: allowed.clone(),
            key: key.clone(),
            hidden,
            submounts,
            // What takes its place is opened in a copy of its mounts.
            original: Some(directory.clone()),
        };
        let export = Export::open(&directory, options.clone())?;
        let below = Submounted::of(&directory, export.mounts_below());
        mounted.extend(below.served.iter().map(|path| directory.join(path)));
        if !export.mounts_below().is_empty() {
            timeline.server(Event::Warning(Warning::Submounts(below)));
        }
        if export.handles() != HandleScheme::Kernel {
            let root = directory.clone();
            timeline.server(Event::Warning(Warning::NoFileHandles { root }));
        }
        exports.push(export);
        all_options.push((directory, options));
    }
    Ok(Some(Prepared {
        exports,
        sockets,
        allowed,
        mounted,
        options: all_options,
    }))
}

/// How a directory is exported.
#[derive(Debug)]
struct Exported {
    /// The names of the images that have it as their root.
    names: Vec<String>,
    /// What any of them hides: they have one export.
    hidden: HiddenPaths,
    /// The file systems below it: left out if any image leaves them out.
    submounts: Submounts,
}

/// Each directory that is exported.
fn exported(catalog: &Catalog) -> BTreeMap<PathBuf, Exported> {
    let mut directories: BTreeMap<PathBuf, Exported> = BTreeMap::new();
    for image in catalog.images() {
        let Some(root) = image.root() else {
            continue;
        };
        if let RootLocation::Own {
            directory,
            hidden,
            submounts,
            ..
        } = &root.location
        {
            let exported = directories.entry(directory.clone()).or_insert(Exported {
                names: Vec::new(),
                hidden: HiddenPaths::default(),
                submounts: Submounts::OwnFsid,
            });
            exported.submounts = match exported.submounts {
                _ if !submounts => Submounts::LeaveOut,
                // An overlay shows the directories of another fsid empty.
                Submounts::OwnFsid if root.overlay => Submounts::OneFsid,
                other => other,
            };
            exported.names.extend(catalog.export_paths(image));
            let all = exported.hidden.patterns().iter().chain(hidden.patterns());
            exported.hidden = HiddenPaths::new(all.cloned());
        }
    }
    directories
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
        exports, sockets, ..
    } = prepared;
    let recent = RecentMounts::default();
    let server = Server::start(exports, sockets, move |event| {
        if !recent.repeats(&event, Instant::now()) {
            log(&timeline, event);
        }
    })?;
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
    use crate::catalog::tests::{image, root_image, with_rules};
    use crate::catalog::{Image, ImageKind, RootImage};

    #[test]
    fn images_of_one_directory_are_one_export_with_the_names_of_all() {
        let quiet = Image {
            kind: image("debian").kind,
            ..image("debian-quiet")
        };
        let elsewhere = Image {
            kind: ImageKind::Root(RootImage {
                location: RootLocation::Elsewhere("192.0.2.9:/srv/debian".to_owned()),
                ..root_image("elsewhere")
            }),
            ..image("elsewhere")
        };
        let images = vec![image("debian"), image("fedora"), quiet, elsewhere];
        let exported = exported(&with_rules(images, Vec::new()));
        let names: Vec<_> = exported
            .into_values()
            .map(|exported| exported.names)
            .collect();
        assert_eq!(names, [vec!["/debian", "/debian-quiet"], vec!["/fedora"]]);
    }

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
