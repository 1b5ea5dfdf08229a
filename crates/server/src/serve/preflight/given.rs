//! What would be served of a network on this machine.

use std::net::Ipv4Addr;

use netroot_net::Prefix;
use netroot_proto::pxe::subnet::Subnet;

use crate::error_chain::with_causes;
use crate::serve::isolation;
use crate::serve::listen::interface::{Candidate, Interface, InterfaceError, RouteSocket};
use crate::serve::listen::role;
use crate::serve::start::choose_interface;
use crate::settings::{Mode, NetworkSettings, Settings};

/// This machine's networks.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// Its interfaces.
    pub(crate) interfaces: Vec<Candidate>,
    /// Where its routes lead, each with the index of the interface.
    pub(crate) routes: Vec<(Prefix, u32)>,
    /// Its name servers.
    pub(crate) name_servers: Vec<Ipv4Addr>,
}

impl Host {
    /// This one.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn this() -> std::io::Result<Self> {
        let socket = RouteSocket::open()?;
        Ok(Self {
            interfaces: socket.list()?,
            routes: socket.routes()?,
            name_servers: isolation::name_servers(),
        })
    }
}

/// The interface of a network as it is now.
///
/// # Errors
/// There is none that could be served without being changed.
pub(crate) fn chosen(
    network: &NetworkSettings,
    settings: &Settings,
    host: &Host,
) -> Result<Interface, InterfaceError> {
    choose_interface(network, settings, host.interfaces.clone())
}

/// A network as it will be served.
#[derive(Debug)]
pub(crate) struct Given {
    /// Its interface; of an isolated one with the address that it will have.
    pub(crate) interface: Interface,
    /// The networks in which addresses are given.
    pub(crate) subnets: Vec<Subnet>,
}

/// What will be served of a network.
///
/// # Errors
/// The key that is wrong, and why.
pub(crate) fn given_on(
    network: &NetworkSettings,
    settings: &Settings,
    host: &Host,
) -> Result<Given, (&'static str, String)> {
    let mut candidates = host.interfaces.clone();
    if let Mode::Isolated(_) = network.mode {
        let planned = isolation::planned(network, &candidates, &host.routes);
        candidates = planned.map_err(|why| ("interface", why))?;
    }
    let interface = choose_interface(network, settings, candidates).map_err(|error| {
        let key = match network.address.is_some() && network.interface.is_none() {
            true => "address",
            false => "interface",
        };
        (key, with_causes(&error))
    })?;
    let networks = role::networks(&network.mode, &interface, &host.name_servers);
    let networks = networks.map_err(|error| {
        let key = match (&error, &network.mode) {
            (role::DhcpRoleError::Router { .. }, _) => "router",
            (role::DhcpRoleError::NotIsolated { .. }, _) => "subnet",
            _ => "range",
        };
        (key, with_causes(&error))
    })?;
    let subnets = networks.map(|(_, subnets)| subnets).unwrap_or_default();
    Ok(Given { interface, subnets })
}
