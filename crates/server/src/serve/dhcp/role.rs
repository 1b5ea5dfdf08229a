//! Who gives the addresses: another server, or this one from a range that fits its wire.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use netroot_proto::dhcp::broadcast_address;
use netroot_proto::dhcp::pool::{Pool, RangeError};
use netroot_proto::pxe::config::Network;

use crate::cli::ServeArgs;
use crate::serve::dhcp::leases::Leases;
use crate::serve::dhcp::service::{Addresses, Office};
use crate::serve::events::{Event, Timeline, Warning};
use crate::serve::listen::interface::Interface;

/// Why a range cannot be given out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfficeError {
    /// It makes no sense by itself.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// It lies on another wire.
    #[error(
        "the range {first}-{last} is not in {interface}'s network, {network}/{prefix}: choose addresses there, or \
         give {interface} an address in the range's network"
    )]
    Elsewhere {
        /// The range's first address.
        first: Ipv4Addr,
        /// Its last.
        last: Ipv4Addr,
        /// The wire.
        interface: String,
        /// The wire's network.
        network: Ipv4Addr,
        /// Its prefix, in bits.
        prefix: u8,
    },
    /// A router that machines could not reach.
    #[error("the router {router} is not in {interface}'s network, {network}/{prefix}")]
    Router {
        /// As given.
        router: Ipv4Addr,
        /// The wire.
        interface: String,
        /// The wire's network.
        network: Ipv4Addr,
        /// Its prefix, in bits.
        prefix: u8,
    },
}

/// Opens the office that the options ask for.
pub(crate) fn open(
    args: &ServeArgs,
    interface: &Interface,
    timeline: &Timeline,
) -> Result<Office, OfficeError> {
    let Some(range) = args.dhcp else {
        return Ok(Office::Proxy);
    };
    let (network, prefix) = (interface.network(), interface.prefix);
    if !interface.reaches(range.first) || !interface.reaches(range.last) {
        return Err(OfficeError::Elsewhere {
            first: range.first,
            last: range.last,
            interface: interface.name.clone(),
            network,
            prefix,
        });
    }
    if let Some(router) = args.router.filter(|router| !interface.reaches(*router)) {
        let interface = interface.name.clone();
        return Err(OfficeError::Router {
            router,
            interface,
            network,
            prefix,
        });
    }
    let mut excluded = vec![
        interface.address,
        network,
        broadcast_address(network, prefix),
    ];
    excluded.extend(args.router);
    excluded.extend(&args.dns);
    let mut pool = Pool::new(range.first, range.last, excluded)?;
    let leases = Leases::of(&args.state, &interface.name);
    if let Err(error) = leases.load(&mut pool) {
        timeline.server(Event::Warning(Warning::LeasesUnreadable {
            error: error.to_string(),
        }));
    }
    let mut told = Network::new(Duration::from_secs(u64::from(args.lease_time)));
    told.routers = args.router.into_iter().collect();
    told.dns.clone_from(&args.dns);
    // The kernel's default needs no telling, and some clients take 1500 as news.
    told.mtu = (interface.mtu != 1500 && interface.mtu >= 576).then_some(interface.mtu);
    Ok(Office::Dhcp(Box::new(Mutex::new(Addresses {
        network: told,
        pool,
        leases,
        changed: false,
        told: false,
    }))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netroot_proto::dhcp::Mac;

    use super::*;
    use crate::cli::tests::serve;
    use crate::serve::counters::Counters;
    use crate::serve::events::Format;
    use crate::serve::listen::interface::tests::interface;
    use crate::serve::machines::Machines;

    fn open_with(arguments: &[&str]) -> Result<Office, OfficeError> {
        let timeline = Timeline::new(
            Format::Text,
            Arc::new(Counters::default()),
            Arc::new(Machines::new()),
        );
        let state = tempfile::tempdir().unwrap();
        let mut all = vec!["/srv", "--state", state.path().to_str().unwrap()];
        all.extend(arguments);
        open(&serve(&all).unwrap(), &interface(), &timeline)
    }

    #[test]
    fn without_a_range_another_server_gives_the_addresses() {
        assert!(matches!(open_with(&[]), Ok(Office::Proxy)));
    }

    #[test]
    fn nobody_is_given_the_servers_own_address_or_the_routers() {
        let range = ["--dhcp", "10.0.0.0-10.0.0.3", "--router", "10.0.0.2"];
        let Ok(Office::Dhcp(addresses)) = open_with(&range) else {
            panic!()
        };
        let mut addresses = (*addresses).into_inner().unwrap();
        let now = Duration::from_secs(1);
        let one = addresses.pool.offer(Mac([2, 0, 0, 0, 0, 1]), None, now);
        assert_eq!(one, Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(
            addresses.pool.offer(Mac([2, 0, 0, 0, 0, 2]), None, now),
            None
        );
        assert_eq!(addresses.network.routers, [Ipv4Addr::new(10, 0, 0, 2)]);
    }

    #[test]
    fn a_range_or_a_router_on_another_wire_is_refused_with_this_ones_network() {
        let error = open_with(&["--dhcp", "10.1.0.1-10.1.0.9"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("not in eth0's network, 10.0.0.0/24"),
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
