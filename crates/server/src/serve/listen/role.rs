//! The DHCPv4 role on an interface: a proxy beside another server, or authoritative with ranges of its networks and of
//! networks behind relays ([`ranges`]).

mod error;
mod followed;
mod isolated;
mod ranges;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netroot_net::Prefix;
use netroot_proto::dhcp::pool::Kept;
use netroot_proto::pxe::subnet::Subnet;

pub(crate) use self::error::DhcpRoleError;
use self::ranges::{ends, subnets};
use super::interface::Interface;
use super::leases::{LeaseFile, Writer};
use crate::serve::clock::Clock;
use crate::serve::events::{Event, Isolated, Timeline, Warning};
use crate::serve::metrics::RangeUse;
use crate::settings::{DhcpSettings, Mode};

/// The DHCP role on an interface.
#[derive(Debug)]
pub(crate) enum DhcpRole {
    /// Another server gives the addresses.
    Proxy,
    /// This server does.
    Authoritative(Box<AddressPool>),
}

/// What an authoritative server has to give.
#[derive(Debug)]
pub(crate) struct AddressPool {
    /// The networks with their addresses, in the order in which they are configured.
    pub(crate) subnets: Mutex<Vec<Subnet>>,
    /// Those that are in no network of the interface now.
    set_aside: Mutex<Vec<Subnet>>,
    /// The first address of each, in the order in which they are configured.
    order: Vec<Ipv4Addr>,
    /// How long an address is lent.
    pub(crate) lease_time: Duration,
    /// Their way to the disk.
    pub(crate) leases: Writer,
    /// Whether the interface's network is isolated.
    isolated: Option<Isolated>,
}

impl AddressPool {
    /// Gives addresses of these networks.
    pub(crate) fn new(subnets: Vec<Subnet>, lease_time: Duration, leases: Writer) -> Self {
        Self {
            order: subnets.iter().map(|subnet| ends(subnet).0).collect(),
            subnets: Mutex::new(subnets),
            set_aside: Mutex::default(),
            lease_time,
            leases,
            isolated: None,
        }
    }

    /// The networks, for this thread alone.
    pub(crate) fn subnets(&self) -> MutexGuard<'_, Vec<Subnet>> {
        self.subnets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, each of these addresses is given to its machine alone.
    pub(crate) fn keep(&self, kept: &[Kept]) {
        keep(&mut self.subnets(), kept);
        keep(&mut self.set_aside(), kept);
    }

    /// From now on, addresses are probed before they are given out: those that ARP reaches.
    pub(crate) fn probe(&self) {
        let mut subnets = self.subnets();
        for subnet in subnets.iter_mut().filter(|subnet| !subnet.behind_relays) {
            subnet.pool.probe_addresses();
        }
    }

    /// The server's address on the interface, in the first network in which it gives addresses there.
    pub(crate) fn on_link(&self) -> Option<Prefix> {
        let subnets = self.subnets();
        let first = subnets.iter().find(|subnet| !subnet.behind_relays);
        first.map(|subnet| Prefix::clamped(subnet.server, subnet.network.length()))
    }
}

impl DhcpRole {
    /// Whether this server gives addresses to machines on the interface itself.
    pub(crate) fn gives_addresses_on_link(&self) -> bool {
        match self {
            Self::Proxy => false,
            Self::Authoritative(addresses) => addresses.on_link().is_some(),
        }
    }

    /// Whether the interface's network is isolated.
    pub(crate) fn isolated(&self) -> Option<Isolated> {
        match self {
            Self::Proxy => None,
            Self::Authoritative(addresses) => addresses.isolated,
        }
    }

    /// Every range, with the length of its network's prefix if it is behind relays.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Option<u8>)> {
        let mut all = Vec::new();
        if let Self::Authoritative(addresses) = self {
            for subnet in addresses.subnets().iter() {
                let relayed = subnet.behind_relays.then_some(subnet.network.length());
                let ranges = subnet.pool.ranges();
                all.extend(ranges.map(|(first, last)| (first, last, relayed)));
            }
        }
        all.into_iter()
    }

    /// How many addresses of each network are used at `now`, on the server's clock.
    pub(crate) fn used(&self, now: Duration) -> Vec<RangeUse> {
        let Self::Authoritative(addresses) = self else {
            return Vec::new();
        };
        let subnets = addresses.subnets();
        let used = subnets.iter().map(|subnet| {
            let pool = &subnet.pool;
            let rows = pool.ranges();
            let rows = rows.map(|(first, last)| (format!("{first}-{last}"), span(first, last)));
            let (names, counts): (Vec<_>, Vec<_>) = rows.unzip();
            RangeUse {
                range: names.join(","),
                leased: pool.leased(now),
                set_aside: pool.set_aside(),
                addresses: counts.into_iter().sum(),
            }
        });
        used.collect()
    }

    /// The networks behind relays in which this server gives addresses.
    pub(crate) fn networks_behind_relays(&self) -> Vec<Prefix> {
        let Self::Authoritative(addresses) = self else {
            return Vec::new();
        };
        let subnets = addresses.subnets();
        let relayed = subnets.iter().filter(|subnet| subnet.behind_relays);
        relayed.map(|subnet| subnet.network).collect()
    }
}

/// How many addresses there are from `first` to `last`.
fn span(first: Ipv4Addr, last: Ipv4Addr) -> usize {
    let span = last.to_bits().saturating_sub(first.to_bits());
    usize::try_from(span)
        .unwrap_or(usize::MAX)
        .saturating_add(1)
}

/// Each network keeps those that are in it.
fn keep(subnets: &mut [Subnet], kept: &[Kept]) {
    for subnet in subnets {
        let here = kept
            .iter()
            .filter(|one| subnet.network.contains(one.address));
        let here: Vec<Kept> = here.cloned().collect();
        subnet.pool.keep(&here);
    }
}

/// What is given there, and the networks in which; `None` for a proxy. `name_servers` are the host's, for an isolated
/// network.
///
/// # Errors
/// What contradicts the interface's addresses.
pub(crate) fn networks(
    mode: &Mode,
    interface: &Interface,
    name_servers: &[Ipv4Addr],
) -> Result<Option<(DhcpSettings, Vec<Subnet>)>, DhcpRoleError> {
    let dhcp = match mode {
        Mode::Proxy => return Ok(None),
        Mode::Dhcp(dhcp) => dhcp.clone(),
        Mode::Isolated(isolated) => isolated::dhcp(isolated, interface, name_servers)?,
    };
    let subnets = subnets(&dhcp, interface)?;
    Ok(Some((dhcp, subnets)))
}

/// Takes the role that is configured for `interface`; an authoritative server reads its leases from the folder
/// `state`. `name_servers` are the host's, for an isolated network; `kept` are the
/// addresses that are kept for machines.
pub(crate) fn open(
    mode: &Mode,
    state: &Path,
    interface: &Interface,
    name_servers: &[Ipv4Addr],
    kept: &[Kept],
    clock: Clock,
    timeline: &Timeline,
) -> Result<DhcpRole, DhcpRoleError> {
    let Some((dhcp, mut subnets)) = networks(mode, interface, name_servers)? else {
        return Ok(DhcpRole::Proxy);
    };
    let opened = LeaseFile::open(state, &interface.name, dhcp.lease_time, clock.moment())?;
    keep(&mut subnets, kept);
    for binding in opened.bindings() {
        for subnet in &mut subnets {
            subnet.pool.restore(binding);
        }
    }
    if let Some((file, error)) = opened.unreadable.clone() {
        let warning = Warning::LeasesUnreadable { file, error };
        timeline.server(Event::Warning(warning));
    }
    if let Some(error) = opened.unwritable.clone() {
        let file = opened.file.path().to_owned();
        timeline.server(Event::Warning(Warning::LeasesUnwritable { file, error }));
    }
    let leases = Writer::new(opened);
    let mut addresses = AddressPool::new(subnets, dhcp.lease_time, leases);
    if let Mode::Isolated(isolated) = mode {
        addresses.isolated = Some(match isolated.nat {
            true => Isolated::WithNat,
            false => Isolated::Alone,
        });
    }
    Ok(DhcpRole::Authoritative(Box::new(addresses)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netroot_net::Mac;

    use super::super::interface::tests::{interface, with_addresses};
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
            &[],
            &[],
            Clock::start(),
            &timeline,
        )
    }

    #[test]
    fn without_a_range_the_role_is_proxy() {
        assert!(matches!(open_with(&[]), Ok(DhcpRole::Proxy)));
    }

    fn opened(arguments: &[&str]) -> AddressPool {
        match open_with(arguments) {
            Ok(DhcpRole::Authoritative(addresses)) => *addresses,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_addresses_of_the_server_and_the_router_are_never_given() {
        let range = ["--dhcp", "10.0.0.0-10.0.0.3", "--router", "10.0.0.2"];
        let addresses = opened(&range);
        let mut subnets = addresses.subnets();
        let subnet = &mut subnets[0];
        let pool = &mut subnet.pool;
        let now = Duration::from_secs(1);
        let one = pool.offer(Mac([2, 0, 0, 0, 0, 1]), None, now);
        let only = Ipv4Addr::new(10, 0, 0, 3);
        assert_eq!(one, Some(only));
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        pool.take(mac, only, now, now).unwrap();
        assert_eq!(pool.offer(Mac([2, 0, 0, 0, 0, 2]), None, now), None);
        assert_eq!(subnet.options.routers, [Ipv4Addr::new(10, 0, 0, 2)]);
    }

    #[test]
    fn a_range_or_a_router_in_another_network_is_an_error() {
        let error = open_with(&["--dhcp", "10.1.0.1-10.1.0.9"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is in none of eth0's networks (10.0.0.0/24)")
                && error.ends_with("--dhcp 10.1.0.1-10.1.0.9/24"),
            "{error}"
        );
        let router = ["--dhcp", "10.0.0.5-10.0.0.9", "--router", "10.9.0.1"];
        let error = open_with(&router).unwrap_err().to_string();
        assert!(
            error.contains("the router 10.9.0.1 is in no network with a range (10.0.0.0/24)"),
            "{error}"
        );
        let length = ["--dhcp", "10.0.0.5-10.0.0.9/25"];
        let error = open_with(&length).unwrap_err().to_string();
        assert!(
            error.contains("eth0's network 10.0.0.0/24, whose prefix has 24 bits, not 25"),
            "{error}"
        );
    }

    #[test]
    fn a_range_is_set_aside_while_no_network_of_the_interface_has_it() {
        let addresses = opened(&[
            "--dhcp",
            "10.0.0.5-10.0.0.9",
            "--dhcp",
            "10.88.0.100-10.88.0.200/24",
        ]);
        let ends = [5, 9].map(|last| Ipv4Addr::new(10, 0, 0, last)).into();
        let servers = || -> Vec<String> {
            let subnets = addresses.subnets();
            subnets
                .iter()
                .map(|subnet| subnet.server.to_string())
                .collect()
        };
        assert_eq!(addresses.follow(&with_addresses(&["10.0.0.5"])), []);
        assert_eq!(servers(), ["10.0.0.5", "10.0.0.5"]);
        assert_eq!(addresses.without_network(), None);

        let elsewhere = with_addresses(&["192.168.1.1"]);
        assert_eq!(addresses.follow(&elsewhere), [ends]);
        assert_eq!(addresses.follow(&elsewhere), [], "told once");
        assert_eq!(servers(), ["192.168.1.1"]);
        assert_eq!(addresses.without_network(), Some(ends));

        assert_eq!(addresses.follow(&with_addresses(&["10.0.0.2"])), []);
        assert_eq!(servers(), ["10.0.0.2", "10.0.0.2"]);
        let subnets = &mut addresses.subnets();
        let now = Duration::from_secs(1);
        let offered = subnets[0].pool.offer(Mac([2, 0, 0, 0, 0, 1]), None, now);
        assert_ne!(offered, Some(Ipv4Addr::new(10, 0, 0, 5)), "its own, lately");
        assert!(!subnets[0].behind_relays && subnets[1].behind_relays);
    }

    #[test]
    fn ranges_behind_relays_have_networks_of_their_own() {
        let addresses = opened(&[
            "--dhcp",
            "10.88.0.100-10.88.0.200/24,router=10.88.0.254",
            "--dhcp",
            "10.0.0.5-10.0.0.9",
            "--dhcp",
            "10.0.0.50-10.0.0.59/24",
        ]);
        assert_eq!(addresses.on_link().unwrap().to_string(), "10.0.0.1/24");
        let subnets = addresses.subnets();
        let [relayed, here] = subnets.as_slice() else {
            panic!("{subnets:?}")
        };
        assert!(relayed.behind_relays && !here.behind_relays);
        assert_eq!(relayed.network.to_string(), "10.88.0.0/24");
        assert_eq!(relayed.options.routers, [Ipv4Addr::new(10, 88, 0, 254)]);
        assert_eq!(here.pool.ranges().count(), 2);
        drop(subnets);
        let role = DhcpRole::Authoritative(Box::new(addresses));
        assert_eq!(role.networks_behind_relays().len(), 1);
        let overlap = [
            "--dhcp",
            "10.88.0.100-10.88.0.200/24",
            "--dhcp",
            "10.88.1.1-10.88.1.9/16",
        ];
        let error = open_with(&overlap).unwrap_err().to_string();
        assert!(error.contains("10.88.0.0/24 and 10.88.0.0/16"), "{error}");
    }
}
