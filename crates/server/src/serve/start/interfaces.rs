//! The interfaces: chosen, their sockets bound, and other DHCP servers looked for.

use netroot_proto::pxe::probe::OtherServer;

use crate::catalog::Catalog;
use crate::serve::clock::Clock;
use crate::serve::counters::Counters;
use crate::serve::dhcp::address_probe::AddressProbe;
use crate::serve::dhcp::kept_addresses;
use crate::serve::dhcp::rogue_dhcp::{self, Gives};
use crate::serve::error::ServeError;
use crate::serve::events::{Timeline, Warning};
use crate::serve::isolation;
use crate::serve::listen::Listener;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::{
    self, Candidate, Followed, Interface, InterfaceError, Wanted,
};
use crate::serve::listen::live_interface::LiveInterface;
use crate::serve::listen::role::{self, DhcpRole};
use crate::serve::listen::sockets::Sockets;
use crate::settings::{Mode, NetworkSettings, Settings};

/// A configured network, and its interface.
pub(super) type Network<'a> = (&'a NetworkSettings, Interface);

/// Chooses an interface for each network. One that is isolated is chosen only by its name.
pub(super) fn choose(settings: &Settings) -> Result<Vec<Network<'_>>, ServeError> {
    let interfaces = interface::list()?;
    let networks = settings.networks.iter().map(|network| {
        let chosen = choose_one(network, settings, interfaces.clone());
        Ok((network, chosen?))
    });
    networks.collect()
}

/// Chooses the interface of one of the networks.
pub(in crate::serve) fn choose_one(
    network: &NetworkSettings,
    settings: &Settings,
    mut candidates: Vec<Candidate>,
) -> Result<Interface, InterfaceError> {
    if network.interface.is_none() {
        candidates.retain(|one| !is_isolated(settings, one.name()));
    }
    interface::choose(wanted(network), candidates)
}

/// What is followed of an interface.
pub(super) fn followed((network, interface): &Network<'_>) -> Followed {
    Followed::new(wanted(network), interface)
}

/// Reads the leases and binds the sockets. The first addresses that will be offered are probed from then on.
pub(super) fn listen(
    networks: Vec<Network<'_>>,
    settings: &Settings,
    catalog: &Catalog,
    clock: Clock,
    timeline: &Timeline,
) -> Result<Vec<Listener>, ServeError> {
    let mut listeners = Vec::new();
    for network in networks {
        let followed = followed(&network);
        let (network, interface) = network;
        let role = role::open(
            &network.mode,
            &settings.state,
            &interface,
            &isolation::name_servers(),
            &catalog.kept(),
            clock,
            timeline,
        )?;
        let sockets = Sockets::bind(&interface, settings.http_port)?;
        if let (DhcpRole::Authoritative(addresses), Some(_)) = (&role, &sockets.device.arp) {
            addresses.probe();
        }
        listeners.push(Listener {
            settings: network.clone(),
            interface,
            followed,
            role,
            sockets,
        });
    }
    let roles = listeners.iter().map(|listener| &listener.role);
    for warning in kept_addresses::warnings(catalog, roles) {
        timeline.warn(warning);
    }
    Ok(listeners)
}

/// Warns of addresses that are given to machines which may not mount then.
pub(super) fn warn_of_ranges(listeners: &[Listener], allowed: &Allowed, timeline: &Timeline) {
    for (first, last, _) in listeners.iter().flat_map(|one| one.role.ranges()) {
        if !allowed.mounts(first) || !allowed.mounts(last) {
            let (first, last) = (first.into(), last.into());
            timeline.warn(Warning::RangeNotAllowed { first, last });
        }
    }
}

/// Learns from what other DHCP servers lease by which of its addresses machines reach the server, unless that is configured.
pub(super) fn learn_address(listener: &mut Listener, others: &[OtherServer]) {
    if is_address_named(&listener.settings) {
        return;
    }
    for leased in others.iter().filter_map(|other| other.offers) {
        listener.interface = listener.interface.clone().known_to(leased);
        listener.followed.known_to(leased);
    }
}

/// Looks for other DHCP servers, and returns them. Meanwhile the first addresses are probed.
pub(super) fn others(
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
        timeline.warn(warning);
    }
    Ok(others)
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
fn is_address_named(network: &NetworkSettings) -> bool {
    let interface = network.interface.as_deref().unwrap_or_default();
    network.address.is_some() || interface.contains(':')
}
