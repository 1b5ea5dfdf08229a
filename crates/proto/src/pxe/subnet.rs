//! The networks for which a server gives addresses, and which of them a request is for.
//!
//! A client on the interface's own link may have an address of any network there (a "shared network"): it keeps the one
//! that it has, gets the one that it asks for, and else one of the first range that has any. A client behind a relay is
//! in the network that the relay names, and from its own address once it has one.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Prefix;

use super::decision::Reason;
use super::inputs::SubnetOptions;
use crate::dhcp::MessageType;
use crate::dhcp::pool::Pool;
use crate::dhcp::request::Request;

/// A network for which this server gives addresses.
#[derive(Debug, Clone)]
pub struct Subnet {
    /// The server's address in that network; behind relays, the one that it is known by.
    pub server: Ipv4Addr,
    /// The network.
    pub network: Prefix,
    /// Whether its machines are behind relays, not on the interface.
    pub behind_relays: bool,
    /// The other options that are given with an address.
    pub options: SubnetOptions,
    /// The addresses.
    pub pool: Pool,
    /// The relay in that network, which is its machines' router unless another one is named.
    pub relay: Option<HeardRelay>,
}

/// A relay, and when it was heard of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardRelay {
    address: Ipv4Addr,
    at: Duration,
}

/// The one of `subnets` that a request is for, by its position. `None`: the client is on the interface's own link, and
/// the server gives no addresses there.
///
/// # Errors
/// Why the request is not answered.
pub fn select(
    request: &Request,
    source: Ipv4Addr,
    subnets: &mut [Subnet],
    now: Duration,
) -> Result<Option<usize>, Reason> {
    let mac = request.header.mac;
    let with = |subnets: &[Subnet], address: Ipv4Addr| {
        let holds = |subnet: &Subnet| subnet.network.contains(address);
        subnets.iter().position(holds)
    };
    if let Some(relay) = request.relay {
        let none = Reason::RelayElsewhere {
            relay: relay.address,
            link: relay.link,
        };
        let found = with(subnets, relay.link).ok_or(none)?;
        if let Some(subnet) = subnets.get_mut(found) {
            subnet.heard(relay.address, now);
        }
        return Ok(Some(found));
    }
    let own = request.header.client_ip;
    if !own.is_unspecified()
        && let Some(found) = with(subnets, own)
        // Anybody can name another network's address; its machines ask from it.
        && subnets.get(found).is_some_and(|subnet| !subnet.behind_relays || source == own)
    {
        return Ok(Some(found));
    }
    let here = |subnets: &[Subnet]| {
        let here = subnets.iter().enumerate();
        let here = here.filter(|(_, subnet)| !subnet.behind_relays);
        here.map(|(number, _)| number).collect::<Vec<usize>>()
    };
    let here = here(subnets);
    let holds = |subnets: &[Subnet], number: usize, address: Option<Ipv4Addr>| {
        let subnet = subnets.get(number);
        address.is_some_and(|it| subnet.is_some_and(|subnet| subnet.network.contains(it)))
    };
    let requested = request.requested_address;
    if request.kind == MessageType::Discover {
        let keeps = |number: &&usize| {
            let subnet = subnets.get(**number);
            subnet.is_some_and(|subnet| subnet.pool.kept_for(mac).is_some())
        };
        if let Some(number) = here.iter().find(keeps) {
            return Ok(Some(*number));
        }
        for number in &here {
            let known = subnets
                .get(*number)
                .is_some_and(|it| it.pool.address_of(mac, now).is_some());
            if known && has_address(subnets, *number, request, now) {
                return Ok(Some(*number));
            }
        }
        let asked = here
            .iter()
            .filter(|number| holds(subnets, **number, requested));
        let in_order: Vec<usize> = asked.chain(&here).copied().collect();
        for number in in_order {
            if has_address(subnets, number, request, now) {
                return Ok(Some(number));
            }
        }
    } else if let Some(server) = request.server_id
        && !here
            .iter()
            .any(|number| subnets.get(*number).is_some_and(|it| it.server == server))
    {
        // It chose another server: what was offered to it is free again, wherever.
        for subnet in subnets.iter_mut() {
            subnet.pool.withdraw_offer(mac);
        }
    }
    let asked = here
        .iter()
        .find(|number| holds(subnets, **number, requested));
    Ok(asked.or(here.first()).copied())
}

fn has_address(subnets: &mut [Subnet], number: usize, request: &Request, now: Duration) -> bool {
    let (mac, requested) = (request.header.mac, request.requested_address);
    subnets
        .get_mut(number)
        .is_some_and(|subnet| subnet.pool.has_address_for(mac, requested, now))
}

impl Subnet {
    /// The options for the answer to a request: behind a relay, machines need a router.
    ///
    /// # Errors
    /// [`Reason::RouterUnknown`] where none is known. A machine whose request is not answered asks again by its relay.
    pub fn options_for(&self, request: &Request) -> Result<SubnetOptions, Reason> {
        let mut options = self.options.clone();
        let gets_options = matches!(
            request.kind,
            MessageType::Discover | MessageType::Request | MessageType::Inform
        );
        let has_router = !options.routers.is_empty() || !options.routes.is_empty();
        if self.behind_relays && gets_options && !has_router {
            let asking = request.relay.map(|relay| relay.address);
            let here = asking.filter(|relay| self.network.contains(*relay));
            let router = here.or(self.relay.map(|heard| heard.address));
            let router = router.ok_or(Reason::RouterUnknown(self.network))?;
            options.routers = vec![router];
        }
        Ok(options)
    }

    /// Remembers the relay. Another one takes its place only after it has been silent for as long as a lease: anybody
    /// can say that it is one.
    fn heard(&mut self, relay: Ipv4Addr, now: Duration) {
        if !self.behind_relays || !self.network.contains(relay) {
            return;
        }
        let lease_time = self.options.lease_time;
        let stays = |known: &HeardRelay| {
            known.address != relay && now < known.at.saturating_add(lease_time)
        };
        if self.relay.as_ref().is_none_or(|known| !stays(known)) {
            self.relay = Some(HeardRelay {
                address: relay,
                at: now,
            });
        }
    }
}
