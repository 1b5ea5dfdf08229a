//! Watches over the root's address: who manages it, and that the NIC reaches its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::Duration;

use netroot_net::{Prefix, Route};

use super::ownership::{self, Owner};
use crate::clock::Moment;
use crate::net::address::Address;
use crate::net::netlink::RouteSocket;

/// How long the NIC may be without any address, or without the route to its network, before the root's are set again:
/// a program that removes an address usually sets another one at once.
const GRACE: Duration = Duration::from_secs(5);

/// The guard of one address.
pub(super) struct AddressGuard {
    netlink: RouteSocket,
    /// Since when the NIC has been without its address or route.
    missing_since: Option<Moment>,
    /// That was logged already.
    is_logged: bool,
    /// The program that keeps the lease, if it is not this one.
    other: Option<&'static str>,
}

/// What a check found.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// Lines for the log.
    pub(super) log: Vec<String>,
    /// Another program has taken over the lease, or has given it up.
    pub(super) has_changed_hands: bool,
    /// The address was missing: its lease may have been released.
    pub(super) must_request: bool,
}

impl AddressGuard {
    /// A guard that makes its requests on this socket.
    pub(super) fn new(netlink: RouteSocket) -> Self {
        Self {
            netlink,
            missing_since: None,
            is_logged: false,
            other: None,
        }
    }

    /// Whether another program keeps the lease.
    pub(super) fn is_taken_over(&self) -> bool {
        self.other.is_some()
    }

    /// How long after `now` the next check is due because the address is missing.
    pub(super) fn due_in(&self, now: Moment) -> Option<Duration> {
        self.missing_since
            .map(|since| since.after(GRACE).since(now))
    }

    /// Checks whether the address is still set, and who manages it. What is missing for too long is set again. `run` is
    /// the directory `/run`.
    pub(super) fn check(&mut self, address: &Address, run: &impl AsFd) -> Check {
        let (index, own) = (address.nic.index, address.own());
        // After an error, the next check will tell.
        let Ok(addresses) = self.netlink.addresses(index) else {
            return Check::default();
        };
        let owner = ownership::find(&addresses, own, || {
            ownership::networkd_has_it(run, index, own)
        });
        let missing = match owner {
            Owner::Nobody => Some(format!("{own} was removed")),
            Owner::Init if !self.has_network(address) => {
                Some(format!("the route of {} was removed", address.prefix))
            }
            Owner::Init | Owner::Other(_) => None,
        };
        match (missing, owner) {
            (Some(missing), _) => self.wait_or_restore(address, &missing),
            (None, Owner::Other(program)) => self.set_other(address, Some(program)),
            (None, Owner::Init | Owner::Nobody) => self.set_other(address, None),
        }
    }

    /// Whether the NIC's own network is reached without a router.
    fn has_network(&mut self, address: &Address) -> bool {
        // An error counts as reached.
        another_host(address.prefix)
            .is_none_or(|other| self.netlink.is_on_link(other).unwrap_or(true))
    }

    /// The address is set, and the lease is kept by that program or by this one.
    fn set_other(&mut self, address: &Address, other: Option<&'static str>) -> Check {
        self.missing_since = None;
        self.is_logged = false;
        if self.other == other {
            return Check::default();
        }
        self.other = other;
        let name = &address.nic.name;
        let line = match other {
            Some(program) => format!("{name}: {program} has the lease now and renews it"),
            None => format!("{name}: no other program renews the lease; it is renewed here again"),
        };
        Check {
            log: vec![line],
            has_changed_hands: true,
            must_request: false,
        }
    }

    /// The NIC cannot reach anything: sets everything again, unless a program may be about to.
    fn wait_or_restore(&mut self, address: &Address, missing: &str) -> Check {
        let since = *self.missing_since.get_or_insert(Moment::now());
        if Moment::now().since(since) < GRACE {
            return Check::default();
        }
        self.missing_since = None;
        let name = &address.nic.name;
        let mut log = vec![format!(
            "{name}: {missing}, and the root needs it: it is set again"
        )];
        log.extend(self.restore(address));
        // A NIC that is gone stays gone; that is logged once.
        if std::mem::replace(&mut self.is_logged, true) {
            return Check::default();
        }
        Check {
            log,
            has_changed_hands: false,
            // A program that removes an address may have released its lease (dhclient -r).
            must_request: true,
        }
    }

    /// Sets the NIC's address and routes. Returns the failures.
    pub(super) fn restore(&mut self, address: &Address) -> Vec<String> {
        let (index, own) = (address.nic.index, address.own());
        let name = &address.nic.name;
        // The link may have been set down (ifdown).
        let up = self.netlink.set_up(index);
        let set = self
            .netlink
            .add_address(index, address.prefix, address.broadcast);
        let mut failures: Vec<String> = [up, set]
            .into_iter()
            .filter_map(|done| Some(format!("{name}: {}", done.err()?)))
            .collect();
        // The kernel adds the network's own route only with a new address.
        let network = (!self.has_network(address)).then(|| network(address));
        for route in network.into_iter().chain(address.routes_in_order()) {
            if let Err(e) = self.netlink.add_route(index, &route, own, true) {
                failures.push(format!("{name}: {route}: {e}"));
            }
        }
        failures
    }
}

/// The NIC's own network.
fn network(address: &Address) -> Route {
    Route {
        destination: address.prefix.network(),
        gateway: None,
    }
}

/// Some address of the network that is neither its first, its last nor the machine's own.
/// `None` for a network of a few addresses, which may have none.
fn another_host(own: Prefix) -> Option<IpAddr> {
    let host = |n: u8| -> IpAddr {
        match own.network().address() {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() | u32::from(n)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() | u128::from(n)).into(),
        }
    };
    let large = own.length() + 2 < Prefix::host(own.address()).length();
    let mut hosts = (1..3).map(host).filter(|host| *host != own.address());
    hosts.next().filter(|_| large)
}
