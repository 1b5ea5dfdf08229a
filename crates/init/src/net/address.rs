//! The address of the machine, and everything that came with it. Pure.

use std::net::{IpAddr, Ipv4Addr};

use netroot_net::{Prefix, Route};
use netroot_proto::cmdline::{IpRequest, NetworkPlan, StaticRoute};
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::root::LeaseFacts;

use crate::net::lease_exchange::LeaseExchange;
use crate::net::next_hop::NextHop;
use crate::net::nic::Nic;

/// The address of a NIC and its network settings. The command line takes precedence over the server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The NIC.
    pub(crate) nic: Nic,
    /// The machine's address with the length of its network's prefix.
    pub(crate) prefix: Prefix,
    /// The broadcast address, if a server sent one; the kernel computes the default.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// Routes to set, in this order.
    pub(crate) routes: Vec<Route>,
    /// Name servers, best first.
    pub(crate) dns: Vec<IpAddr>,
    /// The DNS domain.
    pub(crate) domain: Option<String>,
    /// The DNS search list.
    pub(crate) search: Vec<String>,
    /// The machine's name.
    pub(crate) host_name: Option<String>,
    /// In bytes.
    pub(crate) mtu: Option<u16>,
    /// Time servers, best first.
    pub(crate) ntp: Vec<IpAddr>,
    /// The lease, if a server gave one.
    pub(crate) lease: Option<Lease>,
    /// What a server sent about the network of a static address ([`crate::net::dhcp::inform`]).
    pub(crate) informed: Option<Lease>,
    /// The DHCP exchange that led to the lease.
    pub(crate) exchange: Option<LeaseExchange>,
    /// What the command line says about this NIC.
    pub(crate) request: Option<IpRequest>,
}

impl Address {
    /// Combines a lease and the command line.
    pub(crate) fn leased(
        nic: Nic,
        lease: Lease,
        request: Option<&IpRequest>,
        network: &NetworkPlan,
    ) -> Self {
        let mut address = Address {
            nic,
            prefix: Prefix::clamped(lease.address, lease.prefix),
            broadcast: lease.broadcast,
            routes: lease.routes_to_install(),
            dns: ip_addresses(&lease.dns),
            domain: lease.domain.clone(),
            search: lease.search.clone(),
            host_name: lease.host_name.clone(),
            mtu: lease.mtu,
            ntp: ip_addresses(&lease.ntp),
            lease: Some(lease),
            informed: None,
            exchange: None,
            request: request.cloned(),
        };
        if !network.peer_dns.value {
            address.dns.clear();
            address.search.clear();
            address.domain = None;
        }
        address.apply_command_line(network);
        address
    }

    /// The address of the command line alone; `None` if it has none.
    pub(crate) fn fixed(nic: Nic, request: &IpRequest, network: &NetworkPlan) -> Option<Self> {
        let mut address = Address {
            nic,
            prefix: request.address()?,
            broadcast: None,
            routes: Vec::new(),
            dns: Vec::new(),
            domain: None,
            search: Vec::new(),
            host_name: None,
            mtu: None,
            ntp: Vec::new(),
            lease: None,
            informed: None,
            exchange: None,
            request: Some(request.clone()),
        };
        address.apply_command_line(network);
        Some(address)
    }

    /// Applies the settings of the command line over those of the server.
    fn apply_command_line(&mut self, network: &NetworkPlan) {
        if let Some(request) = &self.request {
            if let Some(length) = request.prefix {
                self.prefix = Prefix::clamped(self.own(), length);
            }
            if let Some(gateway) = request.gateway {
                self.routes.retain(|route| !route.is_default());
                self.routes.push(Route::default_via(gateway));
            }
            if request.host_name.is_some() {
                self.host_name.clone_from(&request.host_name);
            }
            if !request.dns.is_empty() {
                self.dns.clone_from(&request.dns);
            }
            self.mtu = request.mtu.or(self.mtu);
            if let Some(server) = request.ntp {
                self.ntp = vec![server];
            }
        }
        for StaticRoute { route, device } in network.routes.iter().map(|setting| &setting.value) {
            let here = |device: &String| *device == self.nic.name;
            if device.as_ref().is_none_or(here) {
                self.routes.retain(|r| r.destination != route.destination);
                self.routes.push(*route);
            }
        }
        let given = network.name_servers.iter().map(|setting| setting.value);
        let mut dns: Vec<IpAddr> = Vec::new();
        for server in given.chain(self.dns.iter().copied()) {
            if !dns.contains(&server) {
                dns.push(server);
            }
        }
        self.dns = dns;
    }

    /// The routes, with a host route before each gateway that is not on-link: the kernel refuses a gateway that it has no
    /// route to.
    pub(crate) fn routes_in_order(&self) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for route in &self.routes {
            if let Some(gateway) = route.gateway {
                let reached = self.is_on_link(gateway)
                    || routes
                        .iter()
                        .any(|r| r.gateway.is_none() && r.destination.contains(gateway));
                if !reached {
                    routes.push(Route {
                        destination: Prefix::host(gateway),
                        gateway: None,
                    });
                }
            }
            routes.push(*route);
        }
        routes
    }

    /// The machine's address.
    pub(crate) fn own(&self) -> IpAddr {
        self.prefix.address()
    }

    /// Whether `other` is in the NIC's own network.
    pub(crate) fn is_on_link(&self, other: IpAddr) -> bool {
        self.prefix.contains(other)
    }

    /// The next hop for packets to `other`, by the longest matching route.
    pub(crate) fn next_hop(&self, other: IpAddr) -> NextHop {
        if self.is_on_link(other) {
            return NextHop::Direct;
        }
        let leads = |route: &&Route| route.destination.contains(other);
        let longest = self
            .routes
            .iter()
            .filter(leads)
            .max_by_key(|route| route.destination.length());
        match longest.map(|route| route.gateway) {
            None => NextHop::NoRoute,
            Some(None) => NextHop::Direct,
            Some(Some(gateway)) => NextHop::Router {
                gateway,
                on_link: self.is_on_link(gateway),
            },
        }
    }

    /// Whether `other` can be reached: in the NIC's own network, or by a route.
    pub(crate) fn reaches(&self, other: IpAddr) -> bool {
        let routed = |route: &Route| route.destination.contains(other);
        self.is_on_link(other) || self.routes.iter().any(routed)
    }

    /// The settings of a server, with the address (a lease) or without (DHCPINFORM).
    pub(crate) fn server_settings(&self) -> Option<&Lease> {
        self.lease.as_ref().or(self.informed.as_ref())
    }

    /// The facts for the choice of the root.
    pub(crate) fn facts(&self) -> LeaseFacts<'_> {
        let lease = self.server_settings();
        LeaseFacts {
            address: Some(self.own()),
            request: self.request.as_ref(),
            host_name: self.host_name.as_deref(),
            root_path: lease.and_then(|l| l.root_path.as_deref()),
            next_server: lease.and_then(|l| l.next_server).map(IpAddr::V4),
            server_identifier: lease.and_then(|l| l.server_id).map(IpAddr::V4),
        }
    }
}

/// What a DHCPv4 server lists, for whoever does not care which protocol named it.
pub(crate) fn ip_addresses(addresses: &[Ipv4Addr]) -> Vec<IpAddr> {
    addresses.iter().copied().map(IpAddr::V4).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use netroot_net::Mac;
    use netroot_proto::cmdline::BootPlan;

    /// A card, for tests.
    pub(crate) fn nic() -> Nic {
        Nic {
            index: 2,
            name: "eth0".into(),
            mac: Mac([2, 0, 0, 0, 0, 1]),
            original_mac: Mac([2, 0, 0, 0, 0, 1]),
            udev_names: Vec::new(),
            carrier: true,
            running: true,
            mtu: 1500,
        }
    }

    fn fixed(cmdline: &str) -> Address {
        let plan = BootPlan::parse(cmdline);
        Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap()
    }

    #[test]
    fn a_static_ip_provides_everything_without_a_server() {
        let address =
            fixed("ip=10.1.2.3:10.1.2.1:10.1.2.254:255.255.255.0:box.lab:eth0:off:10.1.2.53");
        assert_eq!(address.prefix.to_string(), "10.1.2.3/24");
        assert_eq!(address.routes_in_order().len(), 1);
        assert_eq!(address.host_name.as_deref(), Some("box"));
        assert_eq!(address.dns, [IpAddr::from([10, 1, 2, 53])]);
    }

    #[test]
    fn a_gateway_outside_the_network_gets_a_route_of_its_own_first() {
        let address = fixed("ip=10.1.2.3::192.0.2.1:255.255.255.0::eth0:off");
        let routes = address.routes_in_order();
        let routes: Vec<String> = routes.iter().map(Route::to_string).collect();
        assert_eq!(routes, ["192.0.2.1/32 on link", "0.0.0.0/0 via 192.0.2.1"]);
    }

    #[test]
    fn name_servers_of_the_command_line_come_first_and_none_comes_twice() {
        let address =
            fixed("nameserver=9.9.9.9 nameserver=10.1.2.53 ip=10.1.2.3:::24::eth0:off:10.1.2.53");
        assert_eq!(
            address.dns,
            [IpAddr::from([9, 9, 9, 9]), IpAddr::from([10, 1, 2, 53])]
        );
    }

    #[test]
    fn with_rd_peerdns_0_the_servers_name_settings_are_ignored() {
        let lease = Lease {
            dns: vec![Ipv4Addr::new(10, 1, 2, 53)],
            domain: Some("lab".into()),
            search: vec!["a.lab".into()],
            ..Lease::of_address(Ipv4Addr::new(10, 1, 2, 3), 24)
        };
        let names = |cmdline| {
            let network = BootPlan::parse(cmdline).network;
            let address = Address::leased(nic(), lease.clone(), None, &network);
            (address.dns.len(), address.domain, address.search.len())
        };
        assert_eq!(names("ip=dhcp"), (1, Some("lab".into()), 1));
        let own = "ip=dhcp rd.peerdns=0 nameserver=9.9.9.9 nameserver=8.8.8.8";
        assert_eq!(names(own), (2, None, 0));
    }

    #[test]
    fn a_route_of_the_command_line_replaces_one_to_the_same_network_and_stays_on_its_nic() {
        let address = fixed(
            "ip=10.1.2.3::10.1.2.254:24::eth0:off rd.route=0.0.0.0/0:10.1.2.1 \
             rd.route=192.0.2.0/24:10.1.2.9:eth0 rd.route=198.51.100.0/24:10.1.2.9:eth1",
        );
        let routes = address.routes_in_order();
        let routes: Vec<String> = routes.iter().map(Route::to_string).collect();
        assert_eq!(
            routes,
            ["0.0.0.0/0 via 10.1.2.1", "192.0.2.0/24 via 10.1.2.9"]
        );
    }
}
