//! What is handed out in an isolated network: everything in it that is not the server's.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::Prefix;
use netroot_proto::dhcp::pool::LARGEST_RANGE;

use super::error::DhcpRoleError;
use crate::serve::listen::interface::Interface;
use crate::settings::{DhcpSettings, IsolatedSettings, RangeSettings};

/// As if it were configured for an interface in a network of its own. `name_servers` are the host's.
pub(super) fn dhcp(
    isolated: &IsolatedSettings,
    interface: &Interface,
    name_servers: &[Ipv4Addr],
) -> Result<DhcpSettings, DhcpRoleError> {
    let subnet = isolated.subnet.map(Prefix::network);
    let own = interface.ipv4_addresses().find(|(own, network)| {
        subnet.is_none_or(|subnet| subnet.contains(*own) && subnet.length() == network.length())
    });
    let Some((own, network)) = own else {
        return Err(DhcpRoleError::NotIsolated {
            interface: interface.name.clone(),
            subnet: subnet.unwrap_or(interface.first().network()),
            networks: interface.networks_listed(),
        });
    };
    let ranges = match isolated.ranges.as_slice() {
        [] => vec![whole(network, own)],
        named => named.to_vec(),
    };
    let router = isolated.nat.then_some(IpAddr::V4(own));
    let own_name_servers = || name_servers.iter().copied().map(IpAddr::V4);
    Ok(DhcpSettings {
        ranges,
        router: isolated.router.or(router),
        dns: match isolated.dns.as_slice() {
            [] if isolated.nat => own_name_servers().collect(),
            named => named.to_vec(),
        },
        lease_time: isolated.lease_time,
        anyway: false,
    })
}

/// Every address that machines can have in a network, or as many as a pool has at most; those behind `own` if that is the
/// first.
fn whole(network: Prefix, own: Ipv4Addr) -> RangeSettings {
    let ends = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(_) => 0,
    };
    let first = ends(network.network().address()).saturating_add(1);
    let first = first.saturating_add(u32::from(first == own.to_bits()));
    let broadcast = network.broadcast().map_or(first, Ipv4Addr::to_bits);
    let last = broadcast.saturating_sub(1);
    RangeSettings {
        first: Ipv4Addr::from_bits(first),
        last: Ipv4Addr::from_bits(last.min(first.saturating_add(LARGEST_RANGE - 1)).max(first)),
        length: None,
        router: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::serve::listen::interface::tests::with_addresses;

    fn isolated(subnet: Option<&str>, nat: bool) -> IsolatedSettings {
        IsolatedSettings {
            subnet: subnet.map(|subnet| subnet.parse().unwrap()),
            ranges: Vec::new(),
            router: None,
            dns: Vec::new(),
            lease_time: Duration::from_secs(3600),
            nat,
        }
    }

    #[test]
    fn machines_have_the_whole_network_and_with_nat_the_server_as_router() {
        let interface = with_addresses(&["10.20.0.1"]);
        let resolver = [Ipv4Addr::new(9, 9, 9, 9)];
        let alone = dhcp(&isolated(None, false), &interface, &resolver).unwrap();
        assert_eq!(alone.ranges[0].first, Ipv4Addr::new(10, 20, 0, 2));
        assert_eq!(alone.ranges[0].last, Ipv4Addr::new(10, 20, 0, 254));
        assert!(alone.router.is_none() && alone.dns.is_empty());
        let nat = dhcp(&isolated(Some("10.20.0.0/24"), true), &interface, &resolver).unwrap();
        assert_eq!(nat.router, Some(Ipv4Addr::new(10, 20, 0, 1).into()));
        assert_eq!(nat.dns, [IpAddr::from(resolver[0])]);
    }

    #[test]
    fn a_large_network_is_given_as_far_as_a_pool_reaches() {
        let range = whole("10.0.0.0/8".parse().unwrap(), Ipv4Addr::new(10, 9, 9, 9));
        assert_eq!(range.first, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(range.last, Ipv4Addr::new(10, 1, 0, 0));
    }

    #[test]
    fn an_interface_in_another_network_is_an_error() {
        let interface = with_addresses(&["192.168.1.1"]);
        let error = dhcp(&isolated(Some("10.20.0.0/24"), true), &interface, &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("10.20.0.0/24") && text.contains("192.168.1.0/24"),
            "{text}"
        );
    }
}
