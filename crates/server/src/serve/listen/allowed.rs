//! The networks whose machines may mount the roots and load files.

use std::net::Ipv4Addr;

use netroot_net::Prefix;

use super::Listener;
use crate::settings::Allow;

/// Who may mount the roots, and load files by TFTP.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    /// Who may mount the roots that this server exports.
    pub(crate) mount: Vec<Prefix>,
    /// Who may use TFTP, beside the networks of the interface on which they ask.
    pub(crate) load: Vec<Prefix>,
}

impl Allowed {
    /// By default the networks of the interfaces, and those behind relays in which this server gives addresses.
    pub(crate) fn new(allow: &Allow, listeners: &[Listener]) -> Self {
        let networks = |of: fn(&Listener) -> Vec<Prefix>| {
            let networks = listeners.iter().flat_map(of);
            networks.map(Prefix::network).collect::<Vec<_>>()
        };
        let relayed = networks(|listener| listener.role.networks_behind_relays());
        let own = networks(|listener| listener.interface.networks().collect());
        let named = allow.named();
        let mount = match allow {
            Allow::Only(only) => only.clone(),
            Allow::Also(_) => [&own, &relayed, named].concat(),
        };
        Self {
            mount,
            load: [&own, &relayed, named].concat(),
        }
    }

    /// Whether machines in the network of an address may mount.
    pub(crate) fn mounts(&self, address: Ipv4Addr) -> bool {
        self.mount.iter().any(|network| network.contains(address))
    }
}
