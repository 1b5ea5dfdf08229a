//! The networks whose machines may mount the roots and load files.

use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};

use netroot_net::Prefix;

use super::interface::Interface;
use super::role::DhcpRole;
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
    pub(crate) fn new<'a>(
        allow: &Allow,
        listeners: impl Iterator<Item = (&'a DhcpRole, &'a Interface)>,
    ) -> Self {
        let (mut own, mut relayed) = (Vec::new(), Vec::new());
        for (role, interface) in listeners {
            own.extend(interface.networks().map(Prefix::network));
            let behind = role.networks_behind_relays().into_iter();
            relayed.extend(behind.map(Prefix::network));
        }
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

/// [`Allowed`] as it is at the moment. It is replaced as a whole, by whoever follows the interfaces.
#[derive(Debug, Default)]
pub(crate) struct LiveAllowed(RwLock<Arc<Allowed>>);

impl LiveAllowed {
    /// Begins with `allowed`.
    pub(crate) fn new(allowed: Allowed) -> Self {
        Self(RwLock::new(Arc::new(allowed)))
    }

    /// As it is.
    pub(crate) fn now(&self) -> Arc<Allowed> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on.
    pub(crate) fn set(&self, allowed: Allowed) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(allowed);
    }
}
