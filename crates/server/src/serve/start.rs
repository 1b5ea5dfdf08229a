//! The start, as a sequence: everything that can be refused is refused before anything is served.
//!
//! The order of the privileged steps is fixed. Helper processes are copies of this one, so they are started while it has no
//! sockets. Sockets are bound, files opened and the folders handed over while it is still root. Then privileges are given
//! up, for the only thread that there is: a thread that was started before would keep them.

mod confine;
mod images;
mod interfaces;
mod left_out;
mod swapped;

use std::os::fd::AsFd;
use std::sync::Arc;

pub(crate) use self::confine::confine;
use self::images::Images;
pub(super) use self::interfaces::choose_one as choose_interface;
pub(crate) use self::left_out::without_file;
use crate::advice::Advice;
use crate::confinement::identity;
use crate::error_chain::with_causes;
use crate::serve::api::socket;
use crate::serve::api::tcp::TcpApi;
use crate::serve::artifacts::ArtifactStore;
use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::dhcp::rogue_dhcp;
use crate::serve::error::ServeError;
use crate::serve::events::{Event, Format, Timeline, Warning};
use crate::serve::history::History;
use crate::serve::isolation;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::{ChangeSocket, InterfaceError, RouteSocket};
use crate::serve::listen::sockets::ListenPorts;
use crate::serve::machines::Machines;
use crate::serve::nfs::{self, Prepared};
use crate::serve::privileged_helper::Helpers;
use crate::serve::privileges;
use crate::serve::readahead::Readahead;
use crate::serve::report_tokens::ReportTokens;
use crate::serve::root_watch::Configured;
use crate::serve::running::{self, Following, Parts};
use crate::serve::service_manager::ServiceManager;
use crate::serve::status::Status;
use crate::serve::unified::{self, UnifiedImages};
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT. `left_out` is why drop-ins have been left out of the settings, a line each; one whose
/// image cannot be served is left out here.
pub(crate) fn run(settings: &Settings, left_out: Vec<String>) -> Result<(), ServeError> {
    let mut is_whole = left_out.is_empty();
    let left_out = left_out.into_iter();
    let mut untold: Vec<Warning> = left_out
        .map(|error| Warning::DropInLeftOut { error })
        .collect();
    let mut settings = settings.clone();
    untold.extend(swapped::apply(&mut settings));
    crate::generations::at_start(&mut settings.catalog);
    loop {
        let Err(error) = serve(&settings, std::mem::take(&mut untold), is_whole) else {
            return Ok(());
        };
        // An error about an image comes before anything is served: everything that was opened is closed again.
        if let Some(left) = left_out::without_generation(&settings, &error) {
            // It is tried again while serving, and told then.
            settings = left;
            continue;
        }
        if let Some((left, warning)) = swapped::without(&settings, &error) {
            // It is looked at again while serving.
            settings = left;
            untold.push(warning);
            continue;
        }
        match left_out::without_drop_in(&settings, &error) {
            Some(left) => settings = left,
            None => return Err(error),
        }
        is_whole = false;
        let error = with_causes(&error);
        untold.push(Warning::DropInLeftOut { error });
    }
}

fn serve(settings: &Settings, untold: Vec<Warning>, is_whole: bool) -> Result<(), ServeError> {
    let counters = Arc::new(Counters::default());
    let machines = Arc::new(Machines::new());
    let format = match settings.json {
        true => Format::Json,
        false => Format::Text,
    };
    let advice = Advice::of(settings);
    let timeline = Timeline::new(format, Arc::clone(&counters), Arc::clone(&machines));
    let timeline = timeline.advising(advice);
    let history = Arc::new(History::new().advising(advice));
    timeline.observed_by(Arc::<History>::clone(&history));
    for warning in untold {
        timeline.warn(warning);
    }

    let images = Images::open(settings)?;
    let catalog = Arc::new(images.catalog()?);

    // Followed from before interfaces are listed, so that no change is missed.
    let changes = ChangeSocket::open().map_err(InterfaceError::List)?;
    let routes = RouteSocket::open().map_err(InterfaceError::List)?;
    // Dropped last: until then the isolated networks are there.
    let isolation = isolation::start(settings)?;
    for blocked in isolation.iter().flat_map(|it| it.blocked.iter().cloned()) {
        let (interface, by, cure) = (blocked.interface, blocked.by, blocked.cure);
        timeline.warn(Warning::ForwardingBlocked {
            interface,
            by,
            cure,
        });
    }
    let networks = interfaces::choose(settings)?;

    privileges::check()?;
    let identity = identity::choose()?;
    let folders = privileges::prepare_folders(settings, identity, |warning| timeline.warn(warning));
    if let Some(unread) = machines.open_orders(&settings.state) {
        timeline.warn(Warning::OrdersUnreadable(unread.into()));
    }
    if let Some(unread) = machines.open_secure_boots(&settings.state) {
        timeline.warn(Warning::SecureBootsUnreadable(unread.into()));
    }
    let ports = ListenPorts {
        http: settings.http_port,
        nfs: nfs::exports_own(settings).then_some(settings.nfs_port),
        portmapper: settings.portmapper,
    };
    let followed = networks.iter().map(interfaces::followed).collect();
    unified::check_key_place(settings)?;
    let mut helpers = Helpers::start::<ServeError>(settings, followed, ports, identity)?;

    let clock = Clock::start();
    let mut listeners = interfaces::listen(networks, settings, &catalog, clock, &timeline)?;
    let key = nfs::key(&settings.state, &timeline)?;
    let tokens = Arc::new(ReportTokens::new(key.derive(b"netroot.report")));
    let allowed = listeners.iter().map(|one| (&one.role, &one.interface));
    let allowed = Allowed::new(&settings.allow, allowed);
    let export = nfs::prepare(settings, &catalog, &listeners, &allowed, key, &timeline)?;
    if export.is_some() {
        interfaces::warn_of_ranges(&listeners, &allowed, &timeline);
    }

    // Child processes build the initrds; meanwhile other DHCP servers are looked for.
    let builds = images.start_builds(identity, &timeline)?;
    let http_port = settings.http_port;
    for listener in &mut listeners {
        let others = interfaces::others(listener, http_port, clock, &timeline, &counters)?;
        for other in &others {
            history.found(&listener.interface.name, other);
        }
        if export.is_some() {
            let refused = rogue_dhcp::refused(&others, &listener.interface, &allowed);
            refused.for_each(|warning| timeline.warn(warning));
        }
        interfaces::learn_address(listener, &others);
    }
    let folder = images::tftp_dir(settings)?;
    let tokens_given = Arc::clone(&tokens);
    let artifacts = ArtifactStore::new(Arc::clone(&catalog), http_port, folder, tokens_given);
    let artifacts = artifacts
        .of_machines(machines)
        .configured_at(settings.config.clone());
    let signer = helpers.signer.take().map(Arc::new);
    let unified = UnifiedImages::new(signer.clone(), &settings.cache);
    let mut followed_roots = images.serve(
        builds,
        &catalog,
        export.as_ref(),
        &unified,
        &artifacts,
        &timeline,
    )?;
    let exports = export.as_ref().map(Prepared::all_options);
    let terms = export.as_ref().map(Prepared::terms);
    let exports = exports.unwrap_or_default();
    let mut configured = Configured::new(settings, &catalog, exports, terms);
    if !is_whole {
        // They have been told, and are looked at again once something changes.
        configured.is_as_told();
    }
    followed_roots.follow_configuration(configured);

    let control = socket::bind(settings.control.as_deref(), &settings.state);
    let control = control.map_err(|warning| timeline.warn(warning)).ok();
    let tcp_api = settings.api.tcp.as_ref().map(TcpApi::open).transpose()?;
    if let Some(tcp) = settings.api.tcp.as_ref().filter(|it| TcpApi::is_plain(it)) {
        let listen = tcp.listen.to_string();
        timeline.warn(Warning::ApiPlain { listen });
    }
    let service_manager = ServiceManager::connect()?;

    let area = helpers.area.as_ref().map(AsFd::as_fd);
    confine::give_up(
        settings,
        identity,
        folders,
        area,
        export.as_ref(),
        &timeline,
    )?;

    let shown = listeners.iter();
    let shown = shown.map(|one| Status::listener(&one.role, &one.interface, http_port));
    let parts = Parts {
        status: Status::new(shown.collect()),
        following: Following {
            routes,
            changes: Arc::new(changes),
            allow: settings.allow.clone(),
            exports: export.as_ref().map(Prepared::allowed),
        },
        listeners,
        export,
        artifacts,
        history,
        http_port,
        clock,
        tokens,
        service_manager,
        helpers,
        followed_roots,
        unified,
        readahead: Readahead::load(&settings.state),
        control,
        tcp_api,
        hosts: settings.api.hosts.clone(),
        allowed,
        isolation_ended: Arc::default(),
        swaps: crate::swaps::file::path(&settings.state),
    };
    if let Some(isolation) = &isolation {
        let timeline = timeline.clone();
        let told = Arc::clone(&parts.isolation_ended);
        let ended = move || {
            timeline.warn(Warning::IsolationEnded);
            told.notify_one();
        };
        isolation.watch(ended).map_err(ServeError::Runtime)?;
    }
    if let Some(signer) = &signer {
        let timeline = timeline.clone();
        let watching = signer.watch(move || timeline.warn(Warning::SignerEnded));
        watching.map_err(ServeError::Runtime)?;
    }
    for change in swapped::told(settings) {
        timeline.server(Event::Change(change));
    }
    running::until_stopped(parts, &timeline, &counters)
}
