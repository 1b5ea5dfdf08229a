//! Machines behind relays, and on a link with several networks: which address they get, and where the answer goes.

mod client;
mod server;

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::{Mac, Prefix};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{CLIENT_PORT, MessageType, SERVER_PORT, code};
use netroot_proto::pxe::decide::{Answer, Decision, Destination, Reason, Refusal, Reply, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Role};

use self::client::{Asks, address, discover, option, to_relay};
use self::server::Server;
use super::decisions::{HOUR, USUAL, boots};

const MAC: Mac = Mac([2, 0, 0, 0, 16, 1]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 5, 1);
/// The relay's address in the network of its clients, and in the server's.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
const RELAYS_LEG: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 254);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn is_in(reply: &Reply, network: &str) -> bool {
    network.parse::<Prefix>().unwrap().contains(address(reply))
}

#[test]
fn a_machine_behind_a_relay_gets_an_address_there_and_the_relay_as_its_router() {
    let mut server = Server::usual();
    let asks = discover(RELAY);
    let offer = server.reply(&asks, RELAY);
    assert!(is_in(&offer, "10.88.0.0/24"));
    assert_eq!(offer.destination, to_relay(RELAY));
    assert_eq!(option(&offer, code::ROUTERS).unwrap(), RELAY.octets());
    assert_eq!(
        option(&offer, code::SUBNET_MASK).unwrap(),
        [255, 255, 255, 0]
    );
    assert_eq!(option(&offer, code::SERVER_ID).unwrap(), SERVER.octets());
    let ack = server.reply(&asks.takes(&offer), RELAY);
    assert!(matches!(ack.answer, Answer::Acknowledged { .. }));
    assert_eq!(address(&ack), address(&offer));

    // It renews by itself, from its address, and learns of the same router.
    let own = address(&ack);
    let renews = Asks {
        ciaddr: own,
        ..Asks::new(MessageType::Request, NOBODY)
    };
    let renewed = server.reply(&renews, own);
    let client = SocketAddrV4::new(own, CLIENT_PORT);
    assert_eq!(renewed.destination, Destination::Unicast(client));
    assert_eq!(option(&renewed, code::ROUTERS).unwrap(), RELAY.octets());
    // Somebody on the link who names its address has the answer sent nowhere.
    let forged = server.reply(&renews, ip("10.77.9.66"));
    assert!(matches!(
        forged.answer,
        Answer::Refused {
            why: Refusal::OtherNetwork,
            ..
        }
    ));
    assert_eq!(forged.destination, Destination::Broadcast);
    // It informs itself, and goes.
    let informs = Asks {
        kind: MessageType::Inform,
        ..renews.clone()
    };
    assert_eq!(
        server.reply(&informs, own).destination,
        Destination::Unicast(client)
    );
    let goes = Asks {
        kind: MessageType::Release,
        ..renews
    };
    let decision = server.decide(&goes, client);
    assert!(matches!(decision, Decision::Noted(_)), "{decision:?}");
}

#[test]
fn after_a_restart_a_renewal_waits_for_the_relay_unless_a_router_is_named() {
    let own = ip("10.88.0.150");
    let renews = Asks {
        ciaddr: own,
        ..Asks::new(MessageType::Request, NOBODY)
    };
    let mut server = Server::usual();
    let network = Prefix::clamped(ip("10.88.0.0"), 24);
    let unknown = server.reason(&renews, own);
    assert!(
        matches!(unknown, Reason::RouterUnknown(it) if it.network() == network),
        "{unknown:?}"
    );
    server.reply(&discover(RELAY), RELAY);
    server.reply(&renews, own);
    let mut server = Server::usual();
    server.subnets[2].options.routers = vec![ip("10.88.0.254")];
    let reply = server.reply(&renews, own);
    assert_eq!(option(&reply, code::ROUTERS).unwrap(), [10, 88, 0, 254]);
}

#[test]
fn a_stranger_who_says_that_he_is_a_relay_is_no_other_machines_router() {
    let mut server = Server::usual();
    server.reply(&discover(RELAY), RELAY);
    let liar = ip("10.88.0.66");
    let other = Asks {
        mac: Mac([2, 0, 0, 0, 16, 2]),
        ..discover(liar)
    };
    server.reply(&other, liar);
    let own = ip("10.88.0.150");
    let renews = Asks {
        ciaddr: own,
        ..Asks::new(MessageType::Request, NOBODY)
    };
    let renewed = server.reply(&renews, own);
    assert_eq!(option(&renewed, code::ROUTERS).unwrap(), RELAY.octets());
    // The relay was replaced long ago.
    server.now += HOUR;
    server.reply(&other, liar);
    let renewed = server.reply(&renews, own);
    assert_eq!(option(&renewed, code::ROUTERS).unwrap(), liar.octets());
}

#[test]
fn nothing_goes_to_a_relay_that_did_not_ask() {
    let mut server = Server::usual();
    // Its other leg, or a liar: whoever sent it gets the answer, and giaddr is in it.
    for source in [RELAYS_LEG, ip("10.77.9.66"), ip("198.51.100.7")] {
        let offer = server.reply(&discover(RELAY), source);
        assert_eq!(offer.destination, to_relay(source));
    }
    let unknown = server.reason(&discover(RELAY), NOBODY);
    assert_eq!(unknown, Reason::RelayUnknown(RELAY));
    let other = ip("198.51.100.7");
    let elsewhere = server.reason(&discover(other), other);
    let relay = other;
    assert_eq!(elsewhere, Reason::RelayElsewhere { relay, link: other });
    assert!(
        elsewhere.to_string().contains(
            "--dhcp 198.51.100.100-198.51.100.200/24, or if another server does, allow it to boot: --allow 198.51.100.0/24"
        ),
        "{elsewhere}"
    );
    // A NAK, too.
    let wrong =
        Asks::new(MessageType::Request, RELAY).with(code::REQUESTED_ADDRESS, &[10, 5, 5, 5]);
    assert_eq!(
        server.reply(&wrong, RELAYS_LEG).destination,
        to_relay(RELAYS_LEG)
    );
}

#[test]
fn the_network_may_be_another_one_than_the_relays() {
    let select_link = |asks: Asks| Asks {
        agent: vec![1, 2, 7, 7, 5, 4, 10, 88, 0, 0],
        ..asks
    };
    let mut server = Server::usual();
    let asks = select_link(discover(RELAYS_LEG));
    // The relay is not in its clients' network, and cannot be their router.
    assert!(matches!(
        server.reason(&asks, RELAYS_LEG),
        Reason::RouterUnknown(_)
    ));
    server.subnets[2].options.routers = vec![RELAY];
    let offer = server.reply(&asks, RELAYS_LEG);
    assert!(is_in(&offer, "10.88.0.0/24"));
    assert_eq!(offer.destination, to_relay(RELAYS_LEG));
    let echoed = Message::read(&offer.packet).unwrap();
    let last = echoed.options.iter().last().map(|(code, _)| code);
    assert_eq!(last, Some(code::RELAY_AGENT));
    // RFC 3011: repeated in the answer.
    let asks = discover(RELAYS_LEG).with(code::SUBNET_SELECTION, &[10, 88, 0, 0]);
    let offer = server.reply(&asks, RELAYS_LEG);
    assert!(is_in(&offer, "10.88.0.0/24"));
    assert_eq!(
        option(&offer, code::SUBNET_SELECTION).unwrap(),
        [10, 88, 0, 0]
    );
    // A client cannot choose without a relay.
    let asks = discover(NOBODY).with(code::SUBNET_SELECTION, &[10, 88, 0, 0]);
    assert!(is_in(&server.reply(&asks, NOBODY), "10.77.9.0/24"));
}

#[test]
fn the_relay_is_the_server_for_its_clients_if_it_wants() {
    let mut server = Server::usual();
    let asks = Asks {
        agent: [&[11, 4][..], &RELAY.octets()].concat(),
        ..discover(RELAY)
    };
    let offer = server.reply(&asks, RELAY);
    assert_eq!(option(&offer, code::SERVER_ID).unwrap(), RELAY.octets());
    let ack = server.reply(&asks.takes(&offer), RELAY);
    assert!(matches!(ack.answer, Answer::Acknowledged { .. }));
    assert_eq!(option(&ack, code::SERVER_ID).unwrap(), RELAY.octets());
}

#[test]
fn a_relay_that_sends_from_another_port_is_answered_there() {
    let mut server = Server::usual();
    let from = SocketAddrV4::new(RELAY, 40_067);
    let asks = Asks {
        agent: vec![19, 0],
        ..discover(RELAY)
    };
    let answered = |server: &mut Server, asks: &Asks| match server.decide(asks, from) {
        Decision::Reply(reply) => reply.destination,
        other => panic!("{other:?}"),
    };
    assert_eq!(answered(&mut server, &asks), Destination::Relay(from));
    assert_eq!(answered(&mut server, &discover(RELAY)), to_relay(RELAY));
}

#[test]
fn on_a_link_with_several_networks_a_machine_keeps_its_network_and_the_next_has_room() {
    let mut server = Server::usual();
    let machine = |last| Asks {
        mac: Mac([2, 0, 0, 0, 16, last]),
        ..discover(NOBODY)
    };
    let mut networks = Vec::new();
    for last in 1..=4 {
        let asks = machine(last);
        let offer = server.reply(&asks, NOBODY);
        let ack = server.reply(&asks.takes(&offer), NOBODY);
        assert_eq!(address(&ack), address(&offer));
        networks.push(is_in(&ack, "192.168.5.0/24"));
        let id = option(&ack, code::SERVER_ID).unwrap();
        assert_eq!(
            id,
            if networks.last() == Some(&true) {
                SECOND
            } else {
                SERVER
            }
            .octets()
        );
    }
    assert_eq!(networks, [false, false, true, true]);
    assert_eq!(server.reason(&machine(5), NOBODY), Reason::RangeFull);
    assert!(is_in(&server.reply(&machine(3), NOBODY), "192.168.5.0/24"));
    // The address that it asks for decides, if it is free.
    let mut server = Server::usual();
    let asks = machine(6).with(code::REQUESTED_ADDRESS, &[192, 168, 5, 100]);
    assert_eq!(address(&server.reply(&asks, NOBODY)), ip("192.168.5.100"));
    // Who chooses another server leaves nothing behind.
    let chosen = Asks {
        kind: MessageType::Request,
        ..machine(6)
    };
    let chosen = chosen.with(code::SERVER_ID, &[10, 77, 9, 77]);
    let chosen = chosen.with(code::REQUESTED_ADDRESS, &[10, 77, 9, 200]);
    assert!(matches!(
        server.reason(&chosen, NOBODY),
        Reason::ForAnotherServer(_)
    ));
    assert_eq!(server.subnets[1].pool.offers().count(), 0);
    // An address of a network that is behind a relay is none here.
    let moved = Asks::new(MessageType::Request, NOBODY);
    let moved = moved.with(code::REQUESTED_ADDRESS, &[10, 88, 0, 100]);
    let refused = server.reply(&moved, NOBODY);
    assert_eq!(refused.destination, Destination::Broadcast);
    assert!(matches!(refused.answer, Answer::Refused { .. }));
}

/// The answer of a proxy to which only these networks may mount.
fn proxy(asks: &Asks, source: Ipv4Addr, port: u16, allowed: &[Prefix]) -> Decision {
    let boots = BootOptions {
        allowed: Some(allowed),
        ..boots()
    };
    let arrival = Arrival {
        interface: "s0".into(),
        address: SERVER,
        network: Prefix::clamped(SERVER, 24),
        behind_relays: false,
        port,
        source: SocketAddrV4::new(source, SERVER_PORT),
    };
    let request = Request::read(&asks.bytes()).unwrap();
    decide(&request, &arrival, &boots, Role::Proxy, USUAL, HOUR)
}

#[test]
fn a_proxy_offers_nothing_that_mount_would_refuse() {
    let here = Prefix::clamped(SERVER, 24);
    let there = Prefix::clamped(RELAY, 24);
    let relayed = discover(RELAY);
    let refused = proxy(&relayed, RELAY, 67, &[here]);
    let Decision::Ignore(reason) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        reason.to_string(),
        "it came by the relay 10.88.0.1 from a network that may not mount the root; allow that network, for example: \
         --allow 10.88.0.0/24"
    );
    let Decision::Reply(reply) = proxy(&relayed, RELAY, 67, &[here, there]) else {
        panic!()
    };
    assert_eq!(reply.destination, to_relay(RELAY));
    assert!(matches!(reply.answer, Answer::ProxyOffered { .. }));
    // The second leg comes from the machine itself.
    let own = ip("10.88.0.77");
    let second = Asks {
        ciaddr: own,
        ..Asks::new(MessageType::Request, NOBODY)
    };
    let refused = proxy(&second, own, 4011, &[here]);
    assert!(
        matches!(refused, Decision::Ignore(Reason::NotAllowed { relay: None, client }) if client == own),
        "{refused:?}"
    );
    let answered = proxy(&second, own, 4011, &[here, there]);
    assert!(matches!(answered, Decision::Reply(_)));
    // On the link nobody knows yet which address the machine will have.
    let unknown = proxy(&discover(NOBODY), NOBODY, 67, &[there]);
    assert!(matches!(unknown, Decision::Reply(_)));
}
