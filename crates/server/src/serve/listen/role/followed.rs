//! What an authoritative server gives when its interface is not what it was.

use std::sync::{MutexGuard, PoisonError};

use netroot_proto::pxe::subnet::Subnet;

use super::AddressPool;
use super::ranges::{Ends, ends, mtu_option};
use crate::serve::listen::interface::Interface;

impl AddressPool {
    /// Serves the ranges by the addresses that the interface has now. Those in none of its networks are set aside with
    /// their leases, until one is there again. Returns the ones that were not set aside before.
    pub(crate) fn follow(&self, interface: &Interface) -> Vec<Ends> {
        let mut subnets = self.subnets();
        let mut set_aside = self.set_aside();
        let served = subnets.drain(..).map(|subnet| (subnet, true));
        let all = served.chain(set_aside.drain(..).map(|subnet| (subnet, false)));
        let all: Vec<(Subnet, bool)> = all.collect();
        let mut newly = Vec::new();
        for (mut subnet, was_served) in all {
            subnet
                .pool
                .exclude(interface.ipv4_addresses().map(|(own, _)| own));
            if subnet.behind_relays {
                (subnet.server, _) = interface.address_for([]);
                subnets.push(subnet);
                continue;
            }
            let (first, last) = ends(&subnet);
            match interface.network_of(&[first, last]) {
                Some((server, network)) => {
                    (subnet.server, subnet.network) = (server, network);
                    subnet.options.mtu = mtu_option(interface);
                    subnets.push(subnet);
                }
                None => {
                    if was_served {
                        newly.push((first, last));
                    }
                    set_aside.push(subnet);
                }
            }
        }
        let place = |subnet: &Subnet| {
            let (first, _) = ends(subnet);
            self.order.iter().position(|one| *one == first)
        };
        subnets.sort_by_key(place);
        newly
    }

    /// A range of the interface's own that is set aside, where none of them is served.
    pub(crate) fn without_network(&self) -> Option<Ends> {
        let served = self.subnets().iter().any(|subnet| !subnet.behind_relays);
        let set_aside = self.set_aside();
        set_aside.first().filter(|_| !served).map(ends)
    }

    pub(super) fn set_aside(&self) -> MutexGuard<'_, Vec<Subnet>> {
        let set_aside = self.set_aside.lock();
        set_aside.unwrap_or_else(PoisonError::into_inner)
    }
}
