//! From the ranges that are configured to networks with addresses.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::pxe::inputs::SubnetOptions;
use netroot_proto::pxe::subnet::Subnet;

use super::error::DhcpRoleError;
use crate::serve::listen::interface::Interface;
use crate::settings::{DhcpSettings, RangeSettings};

/// A network with its ranges, before their pool is made.
struct Network {
    server: Ipv4Addr,
    network: Prefix,
    behind_relays: bool,
    ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    router: Option<Ipv4Addr>,
}

/// The networks of all ranges, in the order in which they are first named.
pub(super) fn subnets(
    dhcp: &DhcpSettings,
    interface: &Interface,
) -> Result<Vec<Subnet>, DhcpRoleError> {
    let mut networks: Vec<Network> = Vec::new();
    for range in &dhcp.ranges {
        let of_range = network_of(range, interface)?;
        let same = |known: &&mut Network| known.network.network() == of_range.network.network();
        if let Some(known) = networks.iter_mut().find(same) {
            known.ranges.extend(of_range.ranges);
            known.router = known.router.or(of_range.router);
            continue;
        }
        let overlaps = |known: &&Network| {
            known.network.contains(of_range.network.address())
                || of_range.network.contains(known.network.address())
        };
        if let Some(known) = networks.iter().find(overlaps) {
            return Err(DhcpRoleError::Overlap {
                one: known.network.network(),
                other: of_range.network.network(),
            });
        }
        networks.push(of_range);
    }
    // What DHCPv4's options can name: an IPv6 router or name server belongs in DHCPv6 or router advertisements.
    let dns: Vec<Ipv4Addr> = dhcp.dns.iter().copied().filter_map(ipv4).collect();
    if let Some(router) = dhcp.router {
        let inside = networks.iter_mut().find(|one| one.network.contains(router));
        let Some(inside) = inside else {
            let listed = networks.iter().map(|one| one.network.network().to_string());
            return Err(DhcpRoleError::Router {
                router,
                networks: listed.collect::<Vec<_>>().join(", "),
            });
        };
        inside.router = inside.router.or(ipv4(router));
    }
    let subnet = |network: Network| {
        let mut excluded: Vec<Ipv4Addr> = interface.ipv4_addresses().map(|(own, _)| own).collect();
        excluded.extend(ipv4(network.network.network().address()));
        excluded.extend(network.network.broadcast());
        excluded.extend(network.router);
        excluded.extend(&dns);
        let mut options = SubnetOptions::new(dhcp.lease_time);
        options.routers = network.router.into_iter().collect();
        options.dns.clone_from(&dns);
        options.mtu = mtu_option(interface).filter(|_| !network.behind_relays);
        Ok(Subnet {
            server: network.server,
            network: network.network,
            behind_relays: network.behind_relays,
            options,
            pool: Pool::of_ranges(&network.ranges, excluded)?,
            relay: None,
        })
    };
    networks.into_iter().map(subnet).collect()
}

/// The network of a range: the interface's, if both ends are there; else the one that its prefix says.
fn network_of(range: &RangeSettings, interface: &Interface) -> Result<Network, DhcpRoleError> {
    let RangeSettings {
        first,
        last,
        length,
        router,
    } = *range;
    let (server, network, behind_relays) = match (interface.network_of(&[first, last]), length) {
        (Some((_, network)), Some(length)) if length != network.length() => {
            return Err(DhcpRoleError::PrefixLength {
                first,
                last,
                length,
                interface: interface.name.clone(),
                network: network.network(),
            });
        }
        (Some((server, network)), _) => (server, network, false),
        (None, Some(length)) => {
            let (server, _) = interface.address_for([]);
            (server, Prefix::clamped(first, length).network(), true)
        }
        (None, None) => {
            return Err(DhcpRoleError::Elsewhere {
                first,
                last,
                interface: interface.name.clone(),
                networks: interface.networks_listed(),
            });
        }
    };
    if let Some(router) = router.filter(|router| !network.contains(*router)) {
        return Err(DhcpRoleError::Router {
            router: router.into(),
            networks: network.network().to_string(),
        });
    }
    Ok(Network {
        server,
        network,
        behind_relays,
        ranges: vec![(first, last)],
        router,
    })
}

/// The lowest and the highest address of a network's ranges.
pub(crate) type Ends = (Ipv4Addr, Ipv4Addr);

/// Those of a network.
pub(super) fn ends(subnet: &Subnet) -> Ends {
    let mut ends = (Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED);
    for (first, last) in subnet.pool.ranges() {
        ends = (ends.0.min(first), ends.1.max(last));
    }
    ends
}

/// The MTU that machines on the interface are told. The kernel's default needs no option, and some clients treat 1500 as
/// a change.
pub(super) fn mtu_option(interface: &Interface) -> Option<u16> {
    Some(interface.mtu).filter(|mtu| *mtu != 1500 && *mtu >= 576)
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
