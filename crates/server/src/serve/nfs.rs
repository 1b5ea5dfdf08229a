//! The root itself: the directory, read-only, over NFSv3, with the key that lets handles outlive a restart.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netroot_net::{Prefix, PrefixTooLong};
use netroot_nfs_export::{
    AddressList, Counts, Event as NfsEvent, Export, ExportError, ExportOptions, HandleKey,
    HandleScheme, KeyError, Listeners, Server, StartError, raise_open_file_limit,
};

use crate::cli::ServeArgs;
use crate::serve::events::{Event, Ignored, Machine, Timeline, Warning};
use crate::serve::listen::interface::Interface;
use crate::serve::listen::sockets::{self, SocketError};

/// Why the root cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NfsError {
    /// The port.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The key is there and is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// `--allow`.
    #[error(transparent)]
    Allowed(#[from] PrefixTooLong),
    /// The directory.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The threads.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// An export with its sockets, not started yet: threads come after privileges are given up.
#[derive(Debug)]
pub(crate) struct Prepared {
    export: Export,
    listeners: Listeners,
}

/// Opens the directory and binds the sockets.
pub(crate) fn prepare(
    args: &ServeArgs,
    interface: &Interface,
    image: &str,
    timeline: &Timeline,
) -> Result<Prepared, NfsError> {
    let address = SocketAddrV4::new(interface.address, args.nfs_port);
    let way_out = "let machines mount that one (--nfsroot ADDR:/PATH), or choose another port with --nfs-port \
                   (the kernel's own NFS server has no process: systemctl stop nfs-server)";
    let mut listeners = Listeners::new(sockets::listen(address, way_out)?);
    if args.portmapper
        && let Err(error) = listeners.bind_portmapper(interface.address)
    {
        timeline.server(Event::Warning(Warning::NoPortmapper {
            error: error.to_string(),
        }));
    }
    raise_open_file_limit();
    let networks = match args.allow.as_slice() {
        [] => vec![Prefix::new(interface.address, interface.prefix)?],
        given => given
            .iter()
            .map(|network| Prefix::new(network.address, network.prefix))
            .collect::<Result<_, _>>()?,
    };
    let options = ExportOptions {
        names: vec![format!("/{image}"), "/".to_owned()],
        allowed: AddressList::networks(networks),
        key: key(&args.state, timeline)?,
    };
    let export = Export::open(&args.dir, options)?;
    if export.handles() == HandleScheme::Inodes {
        timeline.server(Event::Warning(Warning::NoFileHandles));
    }
    Ok(Prepared { export, listeners })
}

/// The key, made at the first start. Where it cannot be stored, one for this run; where it cannot be read, an
/// error, since running machines would lose their root without a word.
fn key(state: &Path, timeline: &Timeline) -> Result<HandleKey, KeyError> {
    let path: PathBuf = state.join("export.key");
    match HandleKey::load_or_create(&path) {
        Err(KeyError::Write { path, source }) => {
            timeline.server(Event::Warning(Warning::ExportKey {
                file: path,
                error: source.to_string(),
            }));
            HandleKey::random()
        }
        other => other,
    }
}

/// Serves from now on.
pub(crate) fn start(prepared: Prepared, timeline: Timeline) -> Result<Server, NfsError> {
    let Prepared { export, listeners } = prepared;
    let newest = NewestMount::default();
    let server = Server::start(vec![export], listeners, move |event| {
        if !newest.repeats(&event, Instant::now()) {
            log(&timeline, event);
        }
    })?;
    Ok(server)
}

/// The mount that was told last. One boot mounts twice within a second: our init asks whether it may, so that it can
/// explain a refusal, and then the kernel's client asks for itself.
#[derive(Debug, Default)]
struct NewestMount(Mutex<Option<(IpAddr, String, Instant)>>);

impl NewestMount {
    /// How far apart the two are at most, on a machine that is emulated and has much to do.
    const SPAN: Duration = Duration::from_secs(10);

    fn repeats(&self, event: &NfsEvent, now: Instant) -> bool {
        let NfsEvent::Mounted { client, path } = event else {
            return false;
        };
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let repeats = newest.as_ref().is_some_and(|(address, told, at)| {
            *address == client.ip()
                && told == path
                && now.saturating_duration_since(*at) < Self::SPAN
        });
        *newest = Some((client.ip(), path.clone(), now));
        repeats
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
            timeline.ignored(machine(client), Ignored::Mount { path, why });
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

/// What the export counted, by name: all that happened, friendly or not.
pub(crate) fn counted(counts: &Counts) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("nfs_connections", counts.connections),
        ("nfs_connections_refused", counts.connections_refused),
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
    match client.ip().to_canonical() {
        IpAddr::V4(address) => Machine::Address(address),
        // The sockets are IPv4.
        IpAddr::V6(_) => Machine::Address(std::net::Ipv4Addr::UNSPECIFIED),
    }
}

/// The name that the directory is exported under: its own, as far as a URL, a path and a command line can carry
/// it.
///
/// # Errors
/// The file system's, if the directory cannot be found.
pub(crate) fn image_name(directory: &Path) -> io::Result<String> {
    let real = directory.canonicalize()?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let kept: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .collect();
    // Nothing but dots would be a way up.
    Ok(if kept.chars().all(|c| c == '.') {
        "root".to_owned()
    } else {
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_after_its_directory_as_far_as_a_command_line_can_carry_it() {
        let folder = tempfile::tempdir().unwrap();
        for (directory, name) in [
            ("bookworm", "bookworm"),
            ("my root, 2", "myroot2"),
            ("...", "root"),
            ("ü", "root"),
        ] {
            let path = folder.path().join(directory);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(image_name(&path).unwrap(), name);
            assert_eq!(image_name(&path.join(".")).unwrap(), name);
        }
        assert_eq!(image_name(Path::new("/")).unwrap(), "root");
        assert!(image_name(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn the_kernel_asking_after_the_init_is_one_mount_and_another_boot_is_another() {
        let newest = NewestMount::default();
        let mounted = |client: &str| NfsEvent::Mounted {
            client: client.parse().unwrap(),
            path: "/debian".to_owned(),
        };
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!newest.repeats(&mounted("10.0.0.7:700"), start));
        assert!(newest.repeats(&mounted("10.0.0.7:701"), later(1)));
        assert!(!newest.repeats(&mounted("10.0.0.8:700"), later(2)));
        assert!(!newest.repeats(&mounted("10.0.0.7:702"), later(60)));
    }
}
