//! A DHCP server with a network behind a relay.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::Prefix;
use netroot_proto::dhcp::SERVER_PORT;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::decide::{Decision, Reason, Reply, decide};
use netroot_proto::pxe::inputs::{Arrival, Role, SubnetOptions};
use netroot_proto::pxe::subnet::{Subnet, select};

use super::super::decisions::{HOUR, USUAL, boots};
use super::client::Asks;
use super::{SERVER, ip};

/// A server on 10.77.9.0/24 and 192.168.5.0/24 that gives addresses in both and behind a relay.
pub(super) struct Server {
    pub(super) subnets: Vec<Subnet>,
    pub(super) now: Duration,
}

impl Server {
    pub(super) fn new(ranges: &[(&str, &str, &str, bool)]) -> Self {
        let subnet = |(server, first, last, relayed): &(&str, &str, &str, bool)| Subnet {
            server: ip(server),
            network: Prefix::clamped(ip(first), 24),
            behind_relays: *relayed,
            options: SubnetOptions::new(HOUR),
            pool: Pool::new(ip(first), ip(last), vec![SERVER]).unwrap(),
            relay: None,
        };
        Self {
            subnets: ranges.iter().map(subnet).collect(),
            now: HOUR,
        }
    }

    pub(super) fn usual() -> Self {
        Self::new(&[
            ("10.77.9.1", "10.77.9.100", "10.77.9.101", false),
            ("192.168.5.1", "192.168.5.100", "192.168.5.101", false),
            ("10.77.9.1", "10.88.0.100", "10.88.0.200", true),
        ])
    }

    pub(super) fn decide(&mut self, asks: &Asks, source: SocketAddrV4) -> Decision {
        let request = Request::read(&asks.bytes()).unwrap();
        let chosen = select(&request, *source.ip(), &mut self.subnets, self.now);
        let number = match chosen {
            Ok(Some(number)) => number,
            Ok(None) => panic!("a proxy's"),
            Err(reason) => return Decision::Ignore(reason),
        };
        let subnet = &mut self.subnets[number];
        let options = match subnet.options_for(&request) {
            Ok(options) => options,
            Err(reason) => return Decision::Ignore(reason),
        };
        let arrival = Arrival {
            interface: "s0".into(),
            address: subnet.server,
            network: subnet.network,
            behind_relays: subnet.behind_relays,
            port: SERVER_PORT,
            source,
        };
        let role = Role::Authoritative {
            options: &options,
            pool: &mut subnet.pool,
        };
        decide(&request, &arrival, &boots(), role, USUAL, self.now)
    }

    pub(super) fn reply(&mut self, asks: &Asks, source: Ipv4Addr) -> Reply {
        match self.decide(asks, SocketAddrV4::new(source, SERVER_PORT)) {
            Decision::Reply(reply) => *reply,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn reason(&mut self, asks: &Asks, source: Ipv4Addr) -> Reason {
        match self.decide(asks, SocketAddrV4::new(source, SERVER_PORT)) {
            Decision::Ignore(reason) => reason,
            other => panic!("{other:?}"),
        }
    }
}
