//! The interfaces, and what is given on them.

use netroot_proto::pxe::subnet::Subnet;

use super::{Host, Preflight};
use crate::config::Mistake;
use crate::error_chain::with_causes;
use crate::serve::dhcp::kept_addresses;
use crate::serve::isolation;
use crate::serve::listen::interface::{Interface, InterfaceError};
use crate::serve::listen::role;
use crate::serve::start::choose_interface;
use crate::settings::{Mode, NetworkSettings, Settings};

impl Preflight<'_> {
    /// Whether the interfaces can be served, what is given there, and whether machines can have the addresses that are kept
    /// for them.
    pub(crate) fn networks(&mut self, host: &Host) {
        let mut given: Vec<Subnet> = Vec::new();
        let mut all_known = true;
        let settings = self.settings;
        for (number, network) in settings.networks.iter().enumerate() {
            match given_on(network, settings, host) {
                Ok(found) => given.extend(found.subnets),
                Err((key, text)) => {
                    all_known = false;
                    let place = self.places.network(number);
                    let place = self.places.key(&place, key);
                    let about = format!("network.{key}");
                    self.mistake(&place, about, &text);
                }
            }
        }
        if !all_known {
            return;
        }
        let given: Vec<&Subnet> = given.iter().collect();
        for (machine, _, why) in kept_addresses::not_kept(&settings.catalog.machines, &given) {
            let place = self.places.key(&machine.origin, "address");
            let about = format!("machine.{}.address", machine.name);
            let doubt = Mistake::at(&place, about, format!("is not kept for it: {why}"));
            self.doubts.extend(doubt);
        }
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
