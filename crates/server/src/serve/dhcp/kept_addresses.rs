//! The addresses that the configuration keeps for machines, as far as DHCP's service has to do with them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use netroot_net::Mac;
use netroot_proto::pxe::subnet::Subnet;

use crate::catalog::{Catalog, KnownMachine};
use crate::serve::events::{NotKept, Warning};
use crate::serve::listen::role::{AddressPool, DhcpRole};
use crate::settings::MachineSettings;

/// The machines whose addresses are kept now.
#[derive(Debug, Default)]
pub(super) struct KeptFor {
    catalog: Option<Arc<Catalog>>,
}

impl KeptFor {
    /// Keeps the addresses of the machines that are configured now. That costs nothing where they are the same as before.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>, addresses: &AddressPool) {
        let is_same = |before: &Arc<Catalog>| before.has_machines_of(catalog);
        if !self.catalog.as_ref().is_some_and(is_same) {
            addresses.keep(&catalog.kept());
            self.catalog = Some(Arc::clone(catalog));
        }
    }
}

/// Tells the networks which address is kept for the machine that asks, by whatever it is known.
pub(super) fn claim(subnets: &mut [Subnet], catalog: &Catalog, mac: Mac, machine: &KnownMachine) {
    let address = catalog.machine(machine).and_then(|entry| entry.address);
    for subnet in subnets {
        let here = address.filter(|address| subnet.network.contains(*address));
        subnet.pool.claim(mac, here);
    }
}

/// The addresses that cannot be kept. `roles` are those of all interfaces.
pub(crate) fn warnings<'a>(
    catalog: &Catalog,
    roles: impl Iterator<Item = &'a DhcpRole>,
) -> Vec<Warning> {
    let roles = roles.filter_map(|role| match role {
        DhcpRole::Proxy => None,
        DhcpRole::Authoritative(addresses) => Some(addresses),
    });
    let subnets: Vec<_> = roles.map(|addresses| addresses.subnets()).collect();
    let subnets: Vec<&Subnet> = subnets.iter().flat_map(|subnets| subnets.iter()).collect();
    let machines = not_kept(catalog.machines(), &subnets);
    let warnings = machines.map(|(machine, address, why)| Warning::AddressNotKept {
        name: machine.name.clone(),
        address: address.into(),
        why,
    });
    warnings.collect()
}

/// The machines whose addresses cannot be kept where these are the networks in which addresses are given.
pub(crate) fn not_kept<'a>(
    machines: &'a [MachineSettings],
    subnets: &'a [&'a Subnet],
) -> impl Iterator<Item = (&'a MachineSettings, Ipv4Addr, NotKept)> {
    machines.iter().filter_map(|machine| {
        let address = machine.address?;
        Some((machine, address, why_not(address, subnets)?))
    })
}

fn why_not(address: Ipv4Addr, subnets: &[&Subnet]) -> Option<NotKept> {
    if subnets.is_empty() {
        return Some(NotKept::Proxy);
    }
    let Some(subnet) = subnets
        .iter()
        .find(|subnet| subnet.network.contains(address))
    else {
        return Some(NotKept::Elsewhere);
    };
    let network = subnet.network;
    let is_no_hosts =
        network.network().address() == address || network.broadcast() == Some(address);
    let is_routers = subnet.options.routers.contains(&address);
    let is_taken = is_no_hosts || is_routers || subnet.pool.excludes(address);
    is_taken.then_some(NotKept::Taken)
}
