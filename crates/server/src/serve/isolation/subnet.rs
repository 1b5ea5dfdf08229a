//! Which network an isolated interface has. Pure.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;

use crate::serve::listen::interface::Candidate;

/// Default routes in two or more parts, as VPNs set them, cover everything and are no network.
const SHORTEST_NETWORK: u8 = 8;
/// The length of a network that is chosen.
const CHOSEN: u8 = 24;

/// An isolated interface, as it is configured.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its name.
    pub(super) interface: String,
    /// The network, or the server's address there.
    pub(super) subnet: Option<Prefix>,
    /// Whether its machines reach the outside.
    pub(super) nat: bool,
}

/// What is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// Its name.
    pub(super) name: String,
    /// Its index.
    pub(super) index: u32,
    /// The server's address there.
    pub(super) address: Prefix,
    /// Whether it has to be given that.
    pub(super) add: bool,
    /// Whether it is down.
    pub(super) down: bool,
    /// As configured.
    pub(super) nat: bool,
}

/// Why an interface cannot be an isolated network.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    /// There is none.
    #[error("there is no interface {name}; this machine has {known}")]
    Unknown {
        /// As given.
        name: String,
        /// The interfaces that exist.
        known: String,
    },
    /// The house's network.
    #[error(
        "{name} leads to this machine's default route: it is not a network of its own, and an isolated network there would \
         give the house's machines addresses; name another interface, or serve {name} without --isolated"
    )]
    DefaultRoute {
        /// Which one.
        name: String,
    },
    /// Addresses belong to the bridge.
    #[error(
        "{name} is a port of {controller}; name {controller} instead, or take {name} out: ip link set {name} nomaster"
    )]
    Port {
        /// Which one.
        name: String,
        /// The bridge or bond.
        controller: String,
    },
    /// This machine.
    #[error("{name} is this machine's loopback; name the interface that machines are connected to")]
    Loopback {
        /// Which one.
        name: String,
    },
    /// Machines there would not be reached, or the outside would not.
    #[error(
        "the network {subnet} for {name} overlaps {other}, which is behind {interface}; choose another one, such as \
         --isolated {name}={free}"
    )]
    Overlaps {
        /// Which interface.
        name: String,
        /// As configured.
        subnet: Prefix,
        /// The other network.
        other: Prefix,
        /// Behind which interface that is.
        interface: String,
        /// One that is free.
        free: String,
    },
    /// All candidates are in use.
    #[error(
        "no network is free for {name} in 10.77.0.0/16, 172.29.0.0/16 and 192.168.0.0/16; choose one: --isolated {name}=NETWORK"
    )]
    NoneFree {
        /// Which interface.
        name: String,
    },
}

/// A network in use, with the interface behind which it is.
type Used = (Prefix, u32);

/// What is to be done with each.
pub(super) fn plan(
    wanted: &[Wanted],
    candidates: &[Candidate],
    routes: &[Used],
) -> Result<Vec<Planned>, PlanError> {
    let addresses = candidates.iter().flat_map(|one| {
        let index = one.index();
        one.networks().map(move |network| (network, index))
    });
    let routed = routes.iter().copied();
    let routed = routed.filter(|(network, _)| network.length() >= SHORTEST_NETWORK);
    let mut used: Vec<Used> = addresses.chain(routed).collect();
    // What is configured is nobody else's choice.
    let named = |one: &Wanted| Some((one.subnet?, index_of(&one.interface, candidates)?));
    used.extend(wanted.iter().filter_map(named));
    let mut planned = Vec::new();
    for one in wanted {
        let plan = plan_one(one, candidates, routes, &used)?;
        used.push((plan.address, plan.index));
        planned.push(plan);
    }
    Ok(planned)
}

fn index_of(name: &str, candidates: &[Candidate]) -> Option<u32> {
    let found = candidates.iter().find(|one| one.name() == name);
    found.map(Candidate::index)
}

fn plan_one(
    wanted: &Wanted,
    candidates: &[Candidate],
    routes: &[Used],
    used: &[Used],
) -> Result<Planned, PlanError> {
    let name = wanted.interface.clone();
    let Some(found) = candidates.iter().find(|one| one.name() == name) else {
        let known: Vec<_> = candidates.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        return Err(PlanError::Unknown { name, known });
    };
    let index = found.index();
    let name_of = |index: u32| {
        let of = candidates.iter().find(|one| one.index() == index);
        of.map_or_else(
            || "another interface".to_owned(),
            |one| one.name().to_owned(),
        )
    };
    if found.is_loopback() {
        return Err(PlanError::Loopback { name });
    }
    if let Some(controller) = found.controller() {
        let controller = name_of(controller);
        return Err(PlanError::Port { name, controller });
    }
    if routes
        .iter()
        .any(|(to, by)| to.length() == 0 && *by == index)
    {
        return Err(PlanError::DefaultRoute { name });
    }
    let planned = |address, add| Planned {
        name: name.clone(),
        index,
        address,
        add,
        down: !found.is_up(),
        nat: wanted.nat,
    };
    // Which of several is the right one, and whether any is, is found out with the ranges.
    let mut own = found.networks();
    let in_subnet = |own: &Prefix| {
        wanted
            .subnet
            .is_none_or(|subnet| subnet.contains(own.address()))
    };
    if let Some(first) = found.networks().find(in_subnet).or_else(|| own.next()) {
        return Ok(planned(first, false));
    }
    let elsewhere = |network: Prefix| {
        let mut others = used.iter().filter(|(_, by)| *by != index);
        others.find(|(other, _)| overlap(*other, network))
    };
    let mut free = candidate_networks().filter(|network| elsewhere(*network).is_none());
    match wanted.subnet {
        Some(subnet) => match elsewhere(subnet) {
            Some((other, by)) => Err(PlanError::Overlaps {
                name: name.clone(),
                subnet: subnet.network(),
                other: other.network(),
                interface: name_of(*by),
                free: free
                    .next()
                    .map_or_else(|| "NETWORK".to_owned(), |free| free.to_string()),
            }),
            None => Ok(planned(server_in(subnet), true)),
        },
        None => {
            let chosen = free
                .next()
                .ok_or(PlanError::NoneFree { name: name.clone() })?;
            Ok(planned(server_in(chosen), true))
        }
    }
}

fn overlap(one: Prefix, other: Prefix) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}

/// Networks that few others choose first.
fn candidate_networks() -> impl Iterator<Item = Prefix> {
    let of = |a: u8, b: u8| {
        (0..=u8::MAX).map(move |c| Prefix::clamped(Ipv4Addr::new(a, b, c, 0), CHOSEN))
    };
    of(10, 77).chain(of(172, 29)).chain(of(192, 168).skip(77))
}

/// The address that is given, or else the network's first.
fn server_in(subnet: Prefix) -> Prefix {
    match subnet.network().address() {
        IpAddr::V4(network) if subnet.network() == subnet => {
            let first = Ipv4Addr::from_bits(network.to_bits().saturating_add(1));
            Prefix::clamped(first, subnet.length())
        }
        _ => subnet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::listen::interface::tests::candidates;

    fn wanted(interface: &str, subnet: Option<&str>) -> Wanted {
        Wanted {
            interface: interface.to_owned(),
            subnet: subnet.map(|subnet| subnet.parse().unwrap()),
            nat: true,
        }
    }

    /// `eth0` (index 1) is the house's network, `eth1` (2) and `eth2` (3) have no address.
    fn planned(wanted: &[Wanted], routes: &[(&str, u32)]) -> Result<Vec<String>, String> {
        let candidates = candidates(&[("eth0", &["192.168.1.5"]), ("eth1", &[]), ("eth2", &[])]);
        let routes: Vec<Used> = routes
            .iter()
            .map(|(to, by)| (to.parse().unwrap(), *by))
            .collect();
        let planned = plan(wanted, &candidates, &routes).map_err(|error| error.to_string())?;
        let shown = planned
            .iter()
            .map(|one| format!("{} {} {}", one.name, one.address, one.add));
        Ok(shown.collect())
    }

    #[test]
    fn a_free_network_is_chosen_beside_every_address_and_route() {
        let both = [wanted("eth1", None), wanted("eth2", None)];
        assert_eq!(
            planned(&both, &[("0.0.0.0/0", 1)]).unwrap(),
            ["eth1 10.77.0.1/24 true", "eth2 10.77.1.1/24 true"]
        );
        let vpn = [("0.0.0.0/1", 9), ("128.0.0.0/1", 9), ("10.0.0.0/8", 9)];
        let one = [wanted("eth1", None)];
        assert_eq!(planned(&one, &vpn).unwrap(), ["eth1 172.29.0.1/24 true"]);
        let named = [wanted("eth1", None), wanted("eth2", Some("10.77.0.0/16"))];
        assert_eq!(
            planned(&named, &[]).unwrap(),
            ["eth1 172.29.0.1/24 true", "eth2 10.77.0.1/16 true"]
        );
    }

    #[test]
    fn the_servers_address_may_be_named_and_one_that_is_there_is_used() {
        let one = [wanted("eth1", Some("10.20.0.254/24"))];
        assert_eq!(planned(&one, &[]).unwrap(), ["eth1 10.20.0.254/24 true"]);
        let own = [wanted("eth0", None)];
        assert_eq!(planned(&own, &[]).unwrap(), ["eth0 192.168.1.5/24 false"]);
    }

    #[test]
    fn the_house_network_is_refused_and_so_is_a_network_that_is_in_use() {
        let error =
            |wanted: Wanted, routes: &[(&str, u32)]| planned(&[wanted], routes).unwrap_err();
        let house = error(wanted("eth0", None), &[("0.0.0.0/0", 1)]);
        assert!(
            house.starts_with("eth0 leads to this machine's default route"),
            "{house}"
        );
        let taken = error(wanted("eth1", Some("192.168.0.0/16")), &[]);
        assert!(
            taken.contains("overlaps 192.168.1.0/24, which is behind eth0")
                && taken.ends_with("--isolated eth1=10.77.0.0/24"),
            "{taken}"
        );
        let routed = error(wanted("eth1", Some("10.9.0.0/24")), &[("10.9.0.0/16", 1)]);
        assert!(routed.contains("10.9.0.0/16"), "{routed}");
        let unknown = error(wanted("eth9", None), &[]);
        assert!(
            unknown.contains("no interface eth9; this machine has eth0 (192.168.1.5/24), eth1"),
            "{unknown}"
        );
    }
}
