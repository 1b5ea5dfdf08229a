//! DHCPINFORM: asks for what an address from the command line lacks, once it is set.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use netroot_net::Route;
use netroot_proto::cmdline::{BootPlan, NetworkPlan};
use netroot_proto::dhcp::CLIENT_PORT;
use netroot_proto::dhcp::frame::LONGEST_FRAME;
use netroot_proto::dhcp::inform::Inform;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::root::{Missing, missing};
use netroot_sys::packet::PacketSocket;
use rustix::event::{PollFd, PollFlags, poll};

use super::client::seed;
use super::client_identity;
use crate::clock::{Moment, timespec};
use crate::console::{info, warn};
use crate::error_chain::causes;
use crate::identity;
use crate::net::address::{Address, ip_addresses};

/// When the request is sent, counted from the first time: a switch or a server may miss one.
const ASKED_AT: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
];
/// How long to wait for answers in all. The next attempt to boot asks again.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How long to wait for another server once one has answered and something is still missing: a router knows no root.
const GRACE: Duration = Duration::from_secs(1);
/// The most frames that are read in all: other machines may send as well.
const MOST_FRAMES: usize = 256;

/// Asks for what `address`, which is set, lacks for the root. If anything was learnt, returns what is to be set in its
/// place.
pub(crate) fn completed(address: &Address, plan: &BootPlan) -> Option<Address> {
    if address.lease.is_some() {
        return None;
    }
    let IpAddr::V4(own) = address.own() else {
        return None;
    };
    let missing = lacking(address, plan)?;
    let mut address = address.clone();
    let name = address.nic.name.clone();
    info!("{name}: the command line does not give {missing}; asking DHCP servers (DHCPINFORM)");
    let inform = Inform {
        mac: address.nic.mac,
        address: own,
        transaction: u32::try_from(seed(address.nic.mac) >> 32).unwrap_or_default(),
        identity: client_identity::identity(&plan.network, address.request.as_ref()),
    };
    let socket = match PacketSocket::for_dhcp_client(address.nic.index) {
        Ok(socket) => socket,
        Err(e) => {
            warn!("{name}: {e}: {}", causes(&e));
            return None;
        }
    };
    // Otherwise the kernel would answer each server that the port is closed (ICMP).
    let _listens = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT));
    let mut learnt = false;
    ask(&inform, &socket, |lease| {
        for note in &lease.notes {
            warn!("{name}: DHCP: {note}");
        }
        learnt = true;
        address.learn(lease, &plan.network);
        lacking(&address, plan).is_none()
    });
    match lacking(&address, plan) {
        None => {}
        Some(missing) if learnt => warn!("{name}: no DHCP server provides {missing}"),
        Some(missing) => warn!(
            "{name}: no DHCP server answered within {} s; {missing} is still missing",
            TIMEOUT.as_secs()
        ),
    }
    learnt.then_some(address)
}

/// Sends the request and passes on each server's answer, until `enough` returns true or time is up.
fn ask(inform: &Inform, socket: &PacketSocket, mut enough: impl FnMut(Lease) -> bool) {
    let asked = Moment::now();
    let mut over = asked.after(TIMEOUT);
    let mut due = ASKED_AT.iter().map(|after| asked.after(*after)).peekable();
    let mut buffer = [0; LONGEST_FRAME];
    for _ in 0..MOST_FRAMES {
        let now = Moment::now();
        if now >= over {
            return;
        }
        if due.next_if(|at| *at <= now).is_some() {
            // A NIC that cannot send yet may in a second.
            let _ = socket.send(&inform.frame(now.since(asked)));
        }
        match socket.receive(&mut buffer) {
            Ok(Some(length)) => {
                let frame = buffer.get(..length).unwrap_or_default();
                if let Some(lease) = inform.answer(frame) {
                    if enough(lease) {
                        return;
                    }
                    over = over.min(now.after(GRACE));
                }
            }
            Ok(None) | Err(_) => sleep(socket, due.peek().map_or(over, |at| over.min(*at))),
        }
    }
}

fn sleep(socket: &PacketSocket, until: Moment) {
    let timeout = timespec(until.remaining());
    // A signal or an error ends it early; the caller checks the time again.
    let _ = poll(
        &mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)],
        Some(&timeout),
    );
}

/// What is missing for the root.
fn lacking(address: &Address, plan: &BootPlan) -> Option<Missing> {
    missing(
        plan,
        &address.facts(),
        &identity::of(address.nic.mac),
        !address.dns.is_empty(),
        |server| address.reaches(server),
    )
}

impl Address {
    /// Takes from a server what is missing, and nothing else: the command line holds for the rest.
    fn learn(&mut self, lease: Lease, network: &NetworkPlan) {
        let other_names = network.peer_dns.value;
        if self.dns.is_empty() && other_names {
            self.dns = ip_addresses(&lease.dns);
        }
        if self.domain.is_none() && self.search.is_empty() && other_names {
            self.domain.clone_from(&lease.domain);
            self.search.clone_from(&lease.search);
        }
        if self.host_name.is_none() {
            self.host_name.clone_from(&lease.host_name);
        }
        if self.routes.iter().all(|route| !route.is_default()) {
            let known = self.routes.clone();
            let new = lease.routes_to_install().into_iter();
            let beside = |route: &Route| known.iter().all(|r| r.destination != route.destination);
            self.routes.extend(new.filter(beside));
        }
        if self.ntp.is_empty() {
            self.ntp = ip_addresses(&lease.ntp);
        }
        // Of several servers, the one that names a root.
        let named = |lease: &Lease| lease.root_path.is_some();
        if self
            .informed
            .as_ref()
            .is_none_or(|l| !named(l) && named(&lease))
        {
            self.informed = Some(lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::tests::nic;
    use netroot_proto::root::choose_root;

    const fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn address(plan: &BootPlan) -> Address {
        Address::fixed(nic(), &plan.network.addressing[0], &plan.network).unwrap()
    }

    /// What a server at `.last` answers, with everything but a root.
    fn answer(last: u8) -> Lease {
        Lease {
            routers: vec![ip(254)],
            dns: vec![ip(53)],
            host_name: Some("theirs".into()),
            domain: Some("lab".into()),
            search: vec!["a.lab".into()],
            mtu: Some(1400),
            ntp: vec![ip(123)],
            server_id: Some(ip(last)),
            ..Lease::of_address(ip(5), 8)
        }
    }

    #[test]
    fn the_command_line_holds_and_only_what_is_missing_is_taken() {
        let plan = BootPlan::parse(
            "ip=10.0.0.5::10.0.0.1:24:mine:eth0:off:10.0.0.2 root=dhcp rd.route=172.16.0.0/16:10.0.0.9",
        );
        let mut address = address(&plan);
        let before = address.clone();
        address.learn(answer(254), &plan.network);
        assert_eq!(address.dns, [ip(2)]);
        assert_eq!(address.host_name.as_deref(), Some("mine"));
        assert_eq!(address.routes, before.routes);
        assert_eq!(address.prefix.to_string(), "10.0.0.5/24");
        assert_eq!((address.mtu, address.lease.is_none()), (None, true));
        // What the command line does not set is taken.
        assert_eq!(address.domain.as_deref(), Some("lab"));
        assert_eq!(address.ntp, [ip(123)]);
    }

    #[test]
    fn a_router_is_added_to_configured_routes_if_none_is_configured() {
        let cmdline = "ip=10.0.0.5:::24::eth0:off root=dhcp rd.route=172.16.0.0/16:10.0.0.9";
        let plan = BootPlan::parse(cmdline);
        let mut address = address(&plan);
        address.learn(answer(254), &plan.network);
        let gateway = |route: &Route| (route.destination.length(), route.gateway);
        let routes: Vec<_> = address.routes.iter().map(gateway).collect();
        assert_eq!(
            routes,
            [(16, Some(ip(9).into())), (0, Some(ip(254).into()))]
        );
        assert_eq!(address.dns, [ip(53)]);
        assert_eq!(address.host_name.as_deref(), Some("theirs"));
    }

    #[test]
    fn the_root_is_that_of_the_server_that_provides_one() {
        let plan = BootPlan::parse("ip=10.0.0.5:::24::eth0:off root=dhcp");
        let mut address = address(&plan);
        assert_eq!(lacking(&address, &plan), Some(Missing::Root));
        address.learn(answer(254), &plan.network);
        assert_eq!(lacking(&address, &plan), Some(Missing::Root), "a router's");
        let root = |path: &[u8], last| Lease {
            root_path: Some(path.to_vec()),
            next_server: Some(ip(last)),
            ..answer(last)
        };
        address.learn(root(b"/image", 7), &plan.network);
        assert_eq!(lacking(&address, &plan), None);
        // The first server that names a root.
        address.learn(root(b"/other", 8), &plan.network);
        let choice = choose_root(&plan, &address.facts()).unwrap();
        assert_eq!(
            (choice.path.as_str(), choice.server.to_string()),
            ("/image", ip(7).to_string())
        );
    }

    #[test]
    fn without_peer_dns_a_name_stays_unresolved() {
        let plan = BootPlan::parse("ip=10.0.0.5:::24::eth0:off nfsroot=nas:/r rd.peerdns=0");
        let mut address = address(&plan);
        address.learn(answer(254), &plan.network);
        assert_eq!(
            lacking(&address, &plan),
            Some(Missing::NameServer("nas".into()))
        );
        assert_eq!((address.dns.len(), address.domain), (0, None));
    }
}
