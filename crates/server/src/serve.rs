//! `netroot serve`: from [`Settings`] to machines that boot.
//!
//! ```text
//! interface → Listener                       listen: interface, role, leases, sockets; isolation
//! datagram → Request → Decision → bytes      dhcp: service, rogue_dhcp, frame; ipv6_router
//! name → Artifact → transfer                 artifacts, initrd; tftp, http, url_path, status
//! how a boot went → report                   reports, report_summary, report_tokens
//! what programs, people and pages ask        api
//! directory → export                         nfs
//! what changes outside → served as it is     running::interfaces; privileged_helper
//! everything that happens → Event            events, machines, counters, clock; service_manager
//! Event → what happened to each machine      history
//! ```
//!
//! What a machine boots is [`crate::catalog`]'s. [`run`] is the sequence: everything that can be refused is refused
//! before anything is served; privileges are given up in between, while there is one thread.

mod api;
pub(crate) mod artifacts;
mod bundle;
mod clock;
pub(crate) mod config_files;
mod counters;
pub(crate) mod dhcp;
mod error;
pub(crate) mod events;
mod history;
mod hook;
mod http;
mod initrd;
mod ipv6_router;
mod isolation;
mod left_out;
pub(crate) mod listen;
mod look_requests;
mod machines;
mod metrics;
mod netlink;
mod nfs;
pub(crate) mod opened;
mod privileged_helper;
pub(crate) mod privileges;
mod report_summary;
mod report_tokens;
mod reports;
mod root_facts;
mod root_watch;
mod running;
mod script_fetch;
mod service_manager;
mod status;
mod tftp;
mod url_path;

use std::os::fd::AsRawFd;
use std::sync::Arc;

use netroot_proto::pxe::probe::OtherServer;

use self::api::socket;
use self::api::tcp::TcpApi;
use self::artifacts::loaders::{self, Loaders};
use self::artifacts::{ArtifactStore, BootFiles, FileKind, Folder, raspberry_pi};
use self::clock::Clock;
use self::counters::Counters;
use self::dhcp::address_probe::AddressProbe;
use self::dhcp::kept_addresses;
use self::dhcp::rogue_dhcp::{self, Gives};
pub(crate) use self::error::ServeError;
use self::events::{Event, Format, Timeline, Warning};
use self::history::History;
use self::left_out::about;
use self::listen::allowed::Allowed;
use self::listen::interface::{
    ChangeSocket, Followed, Interface, InterfaceError, RouteSocket, Wanted,
};
use self::listen::live_interface::LiveInterface;
use self::listen::role::DhcpRole;
use self::listen::sockets::{ListenPorts, Sockets};
use self::listen::{Listener, interface, role};
use self::machines::{FileError, Machines};
use self::opened::Opened;
use self::report_tokens::ReportTokens;
use self::root_watch::{Configured, FollowedImage, FollowedRoots};
use self::running::{Following, Parts};
use self::service_manager::ServiceManager;
use self::status::Status;
use crate::catalog::Catalog;
use crate::confinement::{self, identity};
use crate::settings::{Mode, NetworkSettings, Settings};

/// Serves until SIGTERM or SIGINT. `left_out` is why drop-ins have been left out of the settings, a line each; one whose
/// image cannot be served is left out here.
pub(crate) fn run(settings: &Settings, left_out: Vec<String>) -> Result<(), ServeError> {
    let mut is_whole = left_out.is_empty();
    let mut untold = left_out;
    let mut settings = settings.clone();
    crate::generations::add(&mut settings.catalog);
    loop {
        let Err(error) = serve(&settings, std::mem::take(&mut untold), is_whole) else {
            return Ok(());
        };
        // Nothing has been served so far: everything that was opened is closed again.
        match left_out::without_drop_in(&settings, &error) {
            Some(left) => settings = left,
            None => return Err(error),
        }
        is_whole = false;
        untold.push(left_out::in_one_line(&error));
    }
}

fn serve(settings: &Settings, left_out: Vec<String>, is_whole: bool) -> Result<(), ServeError> {
    let counters = Arc::new(Counters::default());
    let format = if settings.json {
        Format::Json
    } else {
        Format::Text
    };
    let machines = Arc::new(Machines::new());
    let timeline = Timeline::new(format, Arc::clone(&counters), Arc::clone(&machines));
    let history = Arc::new(History::new());
    timeline.observed_by(Arc::<History>::clone(&history));

    for error in left_out {
        warn(&timeline, Warning::DropInLeftOut { error });
    }

    // The images.
    let images = settings.catalog.images.iter();
    let images = images.map(|image| about(image, Opened::open(image)));
    let images = images.collect::<Result<Vec<_>, _>>()?;
    let hidden = || {
        let roots = settings.catalog.roots();
        roots.map(|(_, root)| (root.directory.as_path(), &root.hidden))
    };
    let firmware = settings.catalog.images.iter().map(|image| {
        let root = image.source.root().filter(|root| root.nfsroot.is_none())?;
        let folder = raspberry_pi::of_root(&root.directory)?;
        Some(folder.hiding(hidden()))
    });
    let firmware: Vec<Option<Folder>> = firmware.collect();
    let mut loaders = loaders::find(settings.ipxe.as_deref());
    let by_platform = std::mem::take(&mut loaders.by_platform);
    let all = settings.catalog.images.iter().zip(&images).zip(&firmware);
    let catalog = all.map(|((image, open), firmware)| {
        let mut loaders = by_platform.clone();
        if firmware.is_some() || settings.tftp_dir.is_some() {
            loaders.push(raspberry_pi::loader());
        }
        open.image(image, settings.nfs_port, Arc::from(loaders))
    });
    let catalog = Arc::new(Catalog::new(
        catalog.collect(),
        settings.catalog.machines.clone(),
        settings.catalog.rules.clone(),
        settings.catalog.default.clone(),
        settings.catalog.menu.clone(),
    )?);

    // Everything that another program may have already: capabilities, ports, the network's addresses.
    // Followed from before they are listed, so that no change is missed.
    let changes = ChangeSocket::open().map_err(InterfaceError::List)?;
    let routes = RouteSocket::open().map_err(InterfaceError::List)?;
    // Dropped last: until then the isolated networks are there.
    let isolation = isolation::start(settings)?;
    for one in isolation.iter().flat_map(|it| it.blocked.iter().cloned()) {
        let (interface, by, cure) = (one.interface, one.by, one.cure);
        warn(
            &timeline,
            Warning::ForwardingBlocked {
                interface,
                by,
                cure,
            },
        );
    }
    let interfaces = interface::list()?;
    let choose = |network: &NetworkSettings| {
        let mut candidates = interfaces.clone();
        if network.interface.is_none() {
            candidates.retain(|one| !is_isolated(settings, one.name()));
        }
        interface::choose(wanted(network), candidates).map(|interface| (network.clone(), interface))
    };
    let networks = settings.networks.iter().map(choose);
    let networks = networks.collect::<Result<Vec<_>, _>>()?;
    privileges::check()?;
    let identity = identity::choose()?;
    let folders =
        privileges::prepare_folders(settings, identity, |warning| warn(&timeline, warning));
    if let Some(FileError { file, source }) = machines.open_orders(&settings.state) {
        let error = source.to_string();
        warn(&timeline, Warning::OrdersUnreadable { file, error });
    }
    // The helper processes, before this one has sockets.
    let (root_helper, area) = privileged_helper::start_roots(settings)?;
    let file_helper = privileged_helper::start_files(settings, identity)?;
    let followed = |(network, interface): &(NetworkSettings, Interface)| {
        Followed::new(wanted(network), interface)
    };
    let ports = ListenPorts {
        http: settings.http_port,
        nfs: nfs::exports_own(settings).then_some(settings.nfs_port),
        portmapper: settings.portmapper,
    };
    let helped = networks.iter().map(followed).collect();
    let network = privileged_helper::start_network(helped, ports, identity)?;
    let hook = match &settings.api.hook {
        Some(hook) => Some((hook.clone(), privileged_helper::start_hook(hook, identity)?)),
        None => None,
    };
    let clock = Clock::start();
    let mut listeners = Vec::new();
    for (network, interface) in networks {
        let role = role::open(
            &network.mode,
            &settings.state,
            &interface,
            &isolation::name_servers(),
            &catalog.kept(),
            clock,
            &timeline,
        )?;
        let sockets = Sockets::bind(&interface, settings.http_port)?;
        if let (DhcpRole::Authoritative(addresses), Some(_)) = (&role, &sockets.device.arp) {
            addresses.probe();
        }
        listeners.push(Listener {
            followed: Followed::new(wanted(&network), &interface),
            settings: network,
            interface,
            role,
            sockets,
        });
    }
    let roles = listeners.iter().map(|listener| &listener.role);
    for warning in kept_addresses::warnings(&catalog, roles) {
        warn(&timeline, warning);
    }
    let key = nfs::key(&settings.state, &timeline)?;
    let tokens = Arc::new(ReportTokens::new(key.derive(b"netroot.report")));
    let allowed = listeners.iter().map(|one| (&one.role, &one.interface));
    let allowed = Allowed::new(&settings.allow, allowed);
    let export = nfs::prepare(settings, &catalog, &listeners, &allowed, key, &timeline)?;
    if export.is_some() {
        for (first, last, _) in listeners.iter().flat_map(|one| one.role.ranges()) {
            if !allowed.mounts(first) || !allowed.mounts(last) {
                let (first, last) = (first.into(), last.into());
                warn(&timeline, Warning::RangeNotAllowed { first, last });
            }
        }
    }

    // Child processes build the initrds; meanwhile other DHCP servers are looked for.
    let mut builds = Vec::new();
    for (open, image) in images.iter().zip(&settings.catalog.images) {
        builds.push(match open {
            Opened::Root(open) => {
                let started = open.start_initrd(&settings.cache, identity, &timeline);
                Some(about(image, started)?)
            }
            Opened::Files(_) => None,
        });
    }
    for listener in &mut listeners {
        let others = look_for_others(listener, settings.http_port, clock, &timeline, &counters)?;
        for other in &others {
            history.found(&listener.interface.name, other);
        }
        if export.is_some() {
            let warnings = rogue_dhcp::refused(&others, &listener.interface, &allowed);
            warnings.for_each(|warning| warn(&timeline, warning));
        }
        if !network_named(&listener.settings) {
            for leased in others.iter().filter_map(|other| other.offers) {
                listener.interface = listener.interface.clone().known_to(leased);
                listener.followed.known_to(leased);
            }
        }
    }
    let folder = settings.tftp_dir.as_deref();
    let folder = folder.map(|path| Folder::open_path(path).map(|it| it.hiding(hidden())));
    let artifacts = ArtifactStore::new(
        Arc::clone(&catalog),
        settings.http_port,
        folder.transpose()?,
        Arc::clone(&tokens),
    )
    .of_machines(Arc::clone(&machines));
    let mut followed_roots = FollowedRoots::new(settings.ipxe.clone(), settings.cache.clone());
    let configured = settings.catalog.images.iter();
    let opened = (0..)
        .zip(images)
        .zip(builds)
        .zip(catalog.images().zip(configured));
    for (((number, open), build), (image, settings)) in opened {
        let (open, build) = match (open, build) {
            (Opened::Root(open), Some(build)) => (open, build),
            (Opened::Files(files), _) => {
                followed_roots.add_files(number, settings.clone(), &files);
                artifacts.put_image(image.tagged(files.tag()), files);
                continue;
            }
            (Opened::Root(_), None) => continue,
        };
        let initrd = about(settings, build.finish(|event| timeline.server(event)))?;
        let files = BootFiles::of_root(about(settings, open.kernel())?, initrd);
        artifacts.put_image(image.tagged(files.tag()), files);
        let (tree, directory) = (open.root(), open.root().path().to_owned());
        let options = export
            .as_ref()
            .and_then(|export| export.options(&directory));
        followed_roots.add(tree, options.cloned(), number, |number, root| {
            FollowedImage {
                number,
                name: image.name.clone(),
                settings: open.settings().clone(),
                root,
                served: open.facts(),
            }
        });
    }
    if let Some(place) = &settings.config {
        let exports = export.as_ref().map(nfs::Prepared::all_options);
        let terms = export.as_ref().map(nfs::Prepared::terms);
        let exports = exports.unwrap_or_default();
        let mut configured = Configured::new(settings, place, &catalog, exports, terms);
        if !is_whole {
            // They have been told, and are looked at again once something changes.
            configured.is_as_told();
        }
        followed_roots.follow_configuration(configured);
    }
    for (image, folder) in catalog.images().zip(firmware) {
        artifacts.put_firmware(&image.name, folder);
    }
    artifacts.put_loaders(Vec::new(), &by_platform);
    add_loaders(&artifacts, loaders, &timeline);

    let control = match socket::bind(settings.control.as_deref(), &settings.state) {
        Ok(control) => Some(control),
        Err(warning) => {
            warn(&timeline, warning);
            None
        }
    };
    let tcp_api = settings.api.tcp.as_ref().map(TcpApi::open).transpose()?;
    if let Some(tcp) = settings.api.tcp.as_ref().filter(|it| TcpApi::is_plain(it)) {
        let listen = tcp.listen.to_string();
        warn(&timeline, Warning::ApiPlain { listen });
    }
    let service_manager = ServiceManager::connect()?;

    // What was made since as root, such as the export's key, becomes the serving user's too.
    privileges::prepare_folders(settings, identity, |_| {});
    // From here on nothing is needed but to read the roots, and to write to netroot's own folders.
    let mut kept = privileges::to_serve(settings, identity, folders);
    // They have no other path in this mount namespace.
    // The descriptor has to be open until then.
    let in_area = area.as_ref();
    let in_area = in_area.map(|area| format!("/proc/self/fd/{}", area.as_raw_fd()).into());
    kept.read.extend(in_area);
    let tcp = settings.api.tcp.iter();
    kept.read.extend(tcp.flat_map(TcpApi::files));
    kept.read
        .extend(export.iter().flat_map(nfs::Prepared::mounted));
    for layer in confinement::confine(&kept)? {
        warn(&timeline, Warning::NotConfined { layer });
    }
    let shown = listeners
        .iter()
        .map(|listener| Status::listener(&listener.role, &listener.interface, settings.http_port));
    let status = Status::new(shown.collect());
    let following = Following {
        routes,
        changes: Arc::new(changes),
        allow: settings.allow.clone(),
        exports: export.as_ref().map(nfs::Prepared::allowed),
    };
    let parts = Parts {
        listeners,
        export,
        artifacts,
        history,
        http_port: settings.http_port,
        clock,
        status,
        tokens,
        service_manager,
        root_helper,
        file_helper,
        followed_roots,
        control,
        hook,
        tcp_api,
        hosts: settings.api.hosts.clone(),
        network,
        following,
        allowed,
    };
    if let Some(isolation) = &isolation {
        let timeline = timeline.clone();
        let ended = move || warn(&timeline, Warning::IsolationEnded);
        isolation.watch(ended).map_err(ServeError::Runtime)?;
    }
    running::until_stopped(parts, &timeline, &counters)
}

/// Gives up what [`run`] gives up before it serves.
pub(crate) fn confine(settings: &Settings) -> Result<(), ServeError> {
    privileges::check()?;
    let identity = identity::choose()?;
    let folders = privileges::prepare_folders(settings, identity, |_| {});
    confinement::confine(&privileges::to_serve(settings, identity, folders))?;
    Ok(())
}

fn warn(timeline: &Timeline, warning: Warning) {
    timeline.server(Event::Warning(warning));
}

/// Whether an interface has a network of its own.
fn is_isolated(settings: &Settings, interface: &str) -> bool {
    settings.networks.iter().any(|network| {
        matches!(network.mode, Mode::Isolated(_)) && network.interface.as_deref() == Some(interface)
    })
}

/// Which interface the configuration asks for.
fn wanted(network: &NetworkSettings) -> Wanted<'_> {
    Wanted {
        interface: network.interface.as_deref(),
        address: network.address,
    }
}

/// Whether the configuration says by which address machines know the server.
fn network_named(network: &NetworkSettings) -> bool {
    let interface = network.interface.as_deref().unwrap_or_default();
    network.address.is_some() || interface.contains(':')
}

/// Looks for other DHCP servers, and returns them. Meanwhile the first addresses are probed.
fn look_for_others(
    listener: &Listener,
    http_port: u16,
    clock: Clock,
    timeline: &Timeline,
    counters: &Counters,
) -> Result<Vec<OtherServer>, ServeError> {
    let Listener {
        settings,
        interface,
        role,
        sockets,
        ..
    } = listener;
    let sockets = &sockets.device;
    if !settings.probe || !interface.has_frames {
        return Ok(Vec::new());
    }
    let live = LiveInterface::new(interface.clone());
    let probe_addresses = || {
        if let (DhcpRole::Authoritative(addresses), Some(socket)) = (role, &sockets.arp) {
            let probe = AddressProbe {
                interface: &live,
                subnets: &addresses.subnets,
                clock,
                timeline,
                counters,
            };
            probe.poll(socket);
        }
    };
    let others = rogue_dhcp::find_others(interface, &sockets.frames, probe_addresses);
    let others = others.map_err(|source| ServeError::Probe {
        interface: interface.name.clone(),
        source,
    })?;
    let gives = match &settings.mode {
        _ if !role.gives_addresses_on_link() => Gives::Nothing,
        Mode::Dhcp(dhcp) if dhcp.anyway => Gives::AddressesAnyway,
        Mode::Isolated(_) => Gives::Isolated,
        Mode::Proxy | Mode::Dhcp(_) => Gives::Addresses,
    };
    for warning in rogue_dhcp::judge(&others, interface, http_port, gives)? {
        timeline.server(Event::Warning(warning));
    }
    Ok(others)
}

fn add_loaders(artifacts: &ArtifactStore, loaders: Loaders, timeline: &Timeline) {
    for (name, content) in loaders.files {
        artifacts.put(name, content, FileKind::Loader);
    }
    for missing in loaders.missing {
        timeline.server(Event::Warning(missing.into()));
    }
}

/// For `tests/fuzz`.
#[cfg(fuzzing)]
pub(crate) use self::{
    http::fuzz as fuzz_http, machines::fuzz_query as fuzz_machine_query,
    reports::fuzz as fuzz_report,
};
