//! Looks after the NIC: in whose hands the root's address is, and that it reaches its network.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::dhcp::lease::Route;
use netroot_proto::dhcp::netmask;

use super::Keeper;
use super::ownership::{self, Owner};
use crate::clock::Moment;
use crate::net::address::Address;

/// How long the NIC may be without any address, or without the route to its network, before it gets the root's
/// again: whoever takes one away mostly gives another at once.
pub(super) const WITHOUT: Duration = Duration::from_secs(5);

impl Keeper {
    /// Looks whether the address is still there, and still in these hands.
    pub(super) fn look(&mut self) {
        let (index, own) = (self.address.nic.index, self.address.own);
        // It is asked again at the next turn.
        let Ok(addresses) = self.orders.addresses(index) else {
            return;
        };
        let finding = ownership::find(&addresses, own, || {
            ownership::networkd_has_it(&self.run, index, own)
        });
        let lost = match finding {
            Owner::None => Some(format!("somebody took {own} away")),
            Owner::Ours if !self.has_network() => {
                let prefix = self.address.prefix;
                Some(format!("somebody took the route of {own}/{prefix} away"))
            }
            Owner::Ours | Owner::TakenOver(_) => None,
        };
        match (lost, finding) {
            (Some(lost), _) => self.miss(&lost),
            (None, Owner::TakenOver(by)) => self.hand_to(Some(by)),
            (None, Owner::Ours | Owner::None) => self.hand_to(None),
        }
    }

    /// Whether the NIC's own network is reached without a router.
    fn has_network(&mut self) -> bool {
        let own = self.address.own;
        let network = network(&self.address);
        // Some address of the network that is neither its first, its last nor the machine's.
        let hosts = (1..3).map(|n| Ipv4Addr::from_bits(network.destination.to_bits() | n));
        let other = hosts.into_iter().find(|host| *host != own);
        // A network of a few addresses has none; what the kernel does not say is no news.
        other.is_none_or(|other| {
            network.prefix > 29 || self.orders.is_on_link(other).unwrap_or(true)
        })
    }

    /// The lease is in the hands of that program, or in these.
    fn hand_to(&mut self, keeper: Option<&'static str>) {
        self.without = None;
        self.has_told = false;
        if self.keeper == keeper {
            return;
        }
        self.keeper = keeper;
        let name = &self.address.nic.name;
        let line = match keeper {
            Some(by) => format!("{name}: {by} has the lease now; it is renewed there"),
            None => format!("{name}: nobody else renews the lease; it is renewed here again"),
        };
        self.packets = None;
        self.log(&line);
    }

    /// The NIC reaches nobody: so it is given all that it had, unless somebody is about to.
    fn miss(&mut self, lost: &str) {
        let since = *self.without.get_or_insert(Moment::now());
        if Moment::now().since(since) >= WITHOUT {
            self.without = None;
            let name = &self.address.nic.name;
            let mut lines = vec![format!(
                "{name}: {lost}, and the root needs it: it is set again"
            )];
            lines.extend(self.set());
            // A NIC that is gone stays gone, and has been told of.
            if !std::mem::replace(&mut self.has_told, true) {
                self.log_all(&lines);
                // Who takes an address away may have given its lease back (dhclient -r).
                self.renewer.ask_again(Moment::now().since_kernel());
            }
        }
    }

    /// Gives the NIC its address and routes. Returns what could not be set.
    pub(super) fn set(&mut self) -> Vec<String> {
        let (index, own) = (self.address.nic.index, self.address.own);
        let (prefix, broadcast) = (self.address.prefix, self.address.broadcast);
        let name = self.address.nic.name.clone();
        // Somebody may have switched it off (ifdown).
        let up = self.orders.set_up(index);
        let address = self.orders.add_address(index, own, prefix, broadcast);
        let mut complaints: Vec<String> = [up, address]
            .into_iter()
            .filter_map(|done| Some(format!("{name}: {}", done.err()?)))
            .collect();
        // The kernel makes the network's own route with the address only if that was not there.
        let network = (!self.has_network()).then(|| network(&self.address));
        for route in network.into_iter().chain(self.address.routes_in_order()) {
            if let Err(e) = self.orders.add_route(index, &route, own, true) {
                complaints.push(format!("{name}: {route}: {e}"));
            }
        }
        complaints
    }
}

/// The NIC's own network.
fn network(address: &Address) -> Route {
    let mask = netmask(address.prefix).to_bits();
    Route {
        destination: Ipv4Addr::from_bits(address.own.to_bits() & mask),
        prefix: address.prefix,
        gateway: None,
    }
}
