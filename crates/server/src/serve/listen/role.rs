//! The DHCPv4 role on an interface: a proxy beside another server, or authoritative with a range that fits its network.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use netroot_net::Prefix;
use netroot_proto::dhcp::pool::{Pool, RangeError};
use netroot_proto::pxe::inputs::SubnetOptions;

use super::interface::Interface;
use super::leases::{LeaseFile, OpenError, Writer};
use crate::serve::clock::Clock;
use crate::serve::events::{Event, Timeline, Warning};
use crate::settings::{DhcpSettings, Mode};

/// The DHCP role on an interface.
#[derive(Debug)]
pub(crate) enum DhcpRole {
    /// Another server gives the addresses.
    Proxy,
    /// This server does.
    Authoritative(Box<AddressPool>),
}

/// What an authoritative server has to give. It is DHCPv4's, so its addresses are IPv4.
#[derive(Debug)]
pub(crate) struct AddressPool {
    /// The server's address in the network of the range: its identity in every answer.
    pub(crate) server: Ipv4Addr,
    /// That network.
    pub(crate) network: Prefix,
    /// The other options that are given with an address.
    pub(crate) options: SubnetOptions,
    /// The addresses.
    pub(crate) pool: Mutex<Pool>,
    /// Their way to the disk.
    pub(crate) leases: Writer,
}

impl AddressPool {
    /// From now on, addresses are probed before they are given out.
    pub(crate) fn probe(&self) {
        let pool = self.pool.lock();
        pool.unwrap_or_else(PoisonError::into_inner)
            .probe_addresses();
    }
}

/// Why a range cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DhcpRoleError {
    /// It is invalid in itself.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// It is in another network.
    #[error(
        "the range {first}-{last} is in none of {interface}'s networks ({networks}): choose addresses there, or \
         give {interface} an address in the range's network"
    )]
    Elsewhere {
        /// The range's first address.
        first: Ipv4Addr,
        /// Its last.
        last: Ipv4Addr,
        /// The interface.
        interface: String,
        /// The interface's networks.
        networks: String,
    },
    /// Machines could not reach the router.
    #[error("the router {router} is not in {interface}'s network, {network}")]
    Router {
        /// As given.
        router: IpAddr,
        /// The interface.
        interface: String,
        /// The network of the range.
        network: Prefix,
    },
    /// The file of leases must be left alone.
    #[error(transparent)]
    Leases(#[from] OpenError),
}

/// Takes the role that is configured for `interface`; an authoritative server reads its leases from the folder
/// `state`.
pub(crate) fn open(
    mode: &Mode,
    state: &Path,
    interface: &Interface,
    clock: Clock,
    timeline: &Timeline,
) -> Result<DhcpRole, DhcpRoleError> {
    let dhcp = match mode {
        Mode::Proxy => return Ok(DhcpRole::Proxy),
        Mode::Dhcp(dhcp) => dhcp,
    };
    let DhcpSettings {
        first,
        last,
        router,
        dns,
        lease_time,
        anyway: _,
    } = dhcp;
    let Some((server, network)) = interface.network_of(&[*first, *last]) else {
        return Err(DhcpRoleError::Elsewhere {
            first: *first,
            last: *last,
            interface: interface.name.clone(),
            networks: interface.networks_listed(),
        });
    };
    if let Some(router) = router.filter(|router| !network.contains(*router)) {
        return Err(DhcpRoleError::Router {
            router,
            interface: interface.name.clone(),
            network: network.network(),
        });
    }
    let mut excluded: Vec<Ipv4Addr> = interface.ipv4_addresses().map(|(own, _)| own).collect();
    let (routers, dns) = (ipv4(router), ipv4(dns));
    excluded.extend(ipv4(&[network.network().address()]));
    excluded.extend(network.broadcast());
    excluded.extend(&routers);
    excluded.extend(&dns);
    let mut pool = Pool::new(*first, *last, excluded)?;
    let opened = LeaseFile::open(state, &interface.name, *lease_time, clock.moment())?;
    for binding in opened.bindings() {
        pool.restore(binding);
    }
    if let Some((file, error)) = opened.unreadable.clone() {
        let warning = Warning::LeasesUnreadable { file, error };
        timeline.server(Event::Warning(warning));
    }
    if let Some(error) = opened.unwritable.clone() {
        let file = opened.file.path().to_owned();
        timeline.server(Event::Warning(Warning::LeasesUnwritable { file, error }));
    }
    let mut options = SubnetOptions::new(*lease_time);
    options.routers = routers;
    options.dns = dns;
    // The kernel's default needs no option, and some clients treat 1500 as a change.
    options.mtu = (interface.mtu != 1500 && interface.mtu >= 576).then_some(interface.mtu);
    Ok(DhcpRole::Authoritative(Box::new(AddressPool {
        server,
        network,
        options,
        pool: Mutex::new(pool),
        leases: Writer::new(opened),
    })))
}

/// What DHCPv4's options can name: an IPv6 router or name server belongs in DHCPv6 or router advertisements.
fn ipv4<'a>(addresses: impl IntoIterator<Item = &'a IpAddr>) -> Vec<Ipv4Addr> {
    let only = |address: &IpAddr| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    };
    addresses.into_iter().filter_map(only).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use netroot_net::Mac;

    use super::super::interface::tests::interface;
    use super::*;
    use crate::cli::tests::serve;
    use crate::serve::counters::Counters;
    use crate::serve::events::Format;
    use crate::serve::machines::Machines;
    use crate::settings::Settings;

    fn open_with(arguments: &[&str]) -> Result<DhcpRole, DhcpRoleError> {
        let timeline = Timeline::new(
            Format::Text,
            Arc::new(Counters::default()),
            Arc::new(Machines::new()),
        );
        let state = tempfile::tempdir().unwrap();
        let mut all = vec!["/srv", "--state", state.path().to_str().unwrap()];
        all.extend(arguments);
        let settings = Settings::from(serve(&all).unwrap());
        open(
            &settings.networks[0].mode,
            &settings.state,
            &interface(),
            Clock::start(),
            &timeline,
        )
    }

    #[test]
    fn without_a_range_the_role_is_proxy() {
        assert!(matches!(open_with(&[]), Ok(DhcpRole::Proxy)));
    }

    #[test]
    fn the_addresses_of_the_server_and_the_router_are_never_given() {
        let range = ["--dhcp", "10.0.0.0-10.0.0.3", "--router", "10.0.0.2"];
        let Ok(DhcpRole::Authoritative(addresses)) = open_with(&range) else {
            panic!()
        };
        let mut pool = addresses.pool.into_inner().unwrap();
        let now = Duration::from_secs(1);
        let one = pool.offer(Mac([2, 0, 0, 0, 0, 1]), None, now);
        let only = Ipv4Addr::new(10, 0, 0, 3);
        assert_eq!(one, Some(only));
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        pool.take(mac, only, now, now).unwrap();
        assert_eq!(pool.offer(Mac([2, 0, 0, 0, 0, 2]), None, now), None);
        assert_eq!(addresses.options.routers, [Ipv4Addr::new(10, 0, 0, 2)]);
    }

    #[test]
    fn a_range_or_a_router_in_another_network_is_an_error() {
        let error = open_with(&["--dhcp", "10.1.0.1-10.1.0.9"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is in none of eth0's networks (10.0.0.0/24)"),
            "{error}"
        );
        let router = ["--dhcp", "10.0.0.5-10.0.0.9", "--router", "10.9.0.1"];
        let error = open_with(&router).unwrap_err().to_string();
        assert!(
            error.contains("the router 10.9.0.1 is not in eth0's network"),
            "{error}"
        );
    }
}
