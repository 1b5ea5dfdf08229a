//! The DHCP server's side of a lease, request by request, and its answers.

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Mac;
use netroot_proto::dhcp::SERVER_PORT;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{
    Answer, BootFile, Decision, Destination, Noted, Reason, Refusal, decide,
};
use netroot_proto::pxe::inputs::{BootOptions, Role, SubnetOptions};

use super::captures::{self, with_options};
use super::decisions::{
    HOUR, USUAL, arrival, boots, dhcp, dhcp_at, pool, proxy, proxy_at, reason, reply, words,
};
use super::lan::ip;

#[test]
fn a_relayed_request_goes_back_to_the_relay_with_its_option_last() {
    let mut relayed = captures::OVMF_DISCOVER.bytes();
    relayed[3] = 1;
    relayed[24..28].copy_from_slice(&ip(254).octets());
    relayed.truncate(relayed.len() - 1);
    relayed.extend(captures::hex("5206 0104 61626364 ff"));
    for decision in [proxy(&relayed, USUAL), dhcp(&relayed, &mut pool(), USUAL)] {
        let reply = reply(decision);
        let destination = Destination::Relay(SocketAddrV4::new(ip(254), SERVER_PORT));
        assert_eq!(reply.destination, destination);
        assert_eq!(
            reply.destination.socket_address(),
            SocketAddrV4::new(ip(254), 67)
        );
        let words = words(&reply);
        assert!(words.contains(&"giaddr 10.0.0.254".into()));
        assert_eq!(words.last().map(String::as_str), Some("82 010461626364"));
    }
    // A relay in a network for which this server has no range.
    relayed[24..28].copy_from_slice(&[10, 9, 9, 9]);
    let elsewhere = Ipv4Addr::new(10, 9, 9, 9);
    assert_eq!(
        reason(dhcp(&relayed, &mut pool(), USUAL)),
        Reason::RelayElsewhere {
            relay: elsewhere,
            link: elsewhere
        }
    );
}

/// A DISCOVER of firmware that came through this relay.
fn relayed(relay: Ipv4Addr) -> Vec<u8> {
    let mut bytes = captures::OVMF_DISCOVER.bytes();
    bytes[3] = 1;
    bytes[24..28].copy_from_slice(&relay.octets());
    bytes
}

/// The relay's address in the network of its clients.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Somebody who is to be sent packets that he did not ask for.
const VICTIM: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

#[test]
fn a_relay_is_answered_where_it_sent_from_unless_giaddr_is_on_this_network() {
    let relay_port = |source| SocketAddrV4::new(source, SERVER_PORT);
    for (giaddr, source, destination) in [
        (RELAY, RELAY, RELAY),
        // Its leg in our network, or the one to another router.
        (RELAY, ip(254), ip(254)),
        (
            RELAY,
            Ipv4Addr::new(172, 16, 0, 9),
            Ipv4Addr::new(172, 16, 0, 9),
        ),
        (ip(254), RELAY, ip(254)),
        (ip(254), NONE, ip(254)),
        // Not a relay at all.
        (VICTIM, ip(77), ip(77)),
    ] {
        let reply = reply(proxy_at(&relayed(giaddr), 67, relay_port(source), USUAL));
        let destination = Destination::Relay(relay_port(destination));
        assert_eq!(reply.destination, destination);
        assert!(words(&reply).contains(&format!("giaddr {giaddr}")));
    }
    for nobody in [NONE, Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST] {
        let decision = proxy_at(&relayed(VICTIM), 67, relay_port(nobody), USUAL);
        assert_eq!(reason(decision), Reason::RelayUnknown(VICTIM));
    }
}

#[test]
fn an_inform_is_answered_only_at_its_sender() {
    let inform = |ciaddr: Ipv4Addr| {
        let mut bytes = with_options(
            &captures::OVMF_DISCOVER,
            "350108 3604 0a000001 5d020007 3c09 505845436c69656e74 ff",
        );
        bytes[12..16].copy_from_slice(&ciaddr.octets());
        bytes
    };
    let source = SocketAddrV4::new(ip(77), 68);
    let answered = reply(proxy_at(&inform(ip(77)), 67, source, USUAL));
    assert_eq!(answered.destination, Destination::Unicast(source));
    for other in [VICTIM, ip(78)] {
        let not_its = Reason::NotFromItsAddress(other);
        let by_proxy = proxy_at(&inform(other), 67, source, USUAL);
        assert_eq!(reason(by_proxy), not_its);
        let by_dhcp = dhcp_at(&inform(other), 67, source, &mut pool(), USUAL);
        assert_eq!(reason(by_dhcp), not_its);
    }
    // A proxy's REQUEST is answered on this network, if not at its sender.
    let mut request = inform(VICTIM);
    request[242] = 3;
    let answered = reply(proxy_at(&request, 67, source, USUAL));
    assert_eq!(answered.destination, Destination::Broadcast);
}

#[test]
fn no_ciaddr_sends_an_answer_off_this_network() {
    let source = SocketAddrV4::new(ip(77), 68);
    for (kind, options) in [(1, ""), (3, "32040a000096"), (3, "")] {
        let datagram = message(kind, VICTIM, options);
        let answer = reply(dhcp_at(&datagram, 67, source, &mut pool(), USUAL));
        assert!(
            matches!(
                answer.destination,
                Destination::Ethernet { .. } | Destination::Broadcast
            ),
            "{kind}: {:?}",
            answer.destination
        );
    }
}

/// A message of a plain client: type, ciaddr, and hexadecimal options.
fn message(kind: u8, ciaddr: Ipv4Addr, options: &str) -> Vec<u8> {
    let mut bytes = with_options(
        &captures::PLAIN_DISCOVER,
        &format!("3501{kind:02x} {options} ff"),
    );
    bytes[12..16].copy_from_slice(&ciaddr.octets());
    bytes
}

const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

#[test]
fn a_rebooting_client_with_an_address_from_elsewhere_gets_a_nak() {
    let wrong_network = dhcp(&message(3, NONE, "3204c0a80105"), &mut pool(), USUAL);
    let nak = reply(wrong_network);
    let refused = Answer::Refused {
        address: Ipv4Addr::new(192, 168, 1, 5),
        why: Refusal::OtherNetwork,
    };
    assert_eq!(
        (&nak.answer, nak.destination),
        (&refused, Destination::Broadcast)
    );
    assert_eq!(
        words(&nak),
        [
            "to Broadcast",
            "flags 0x8000",
            "53 06",
            "54 0a000001",
            "56 192.168.1.5 is not in this network"
        ]
    );
    let outside = reply(dhcp(&message(3, NONE, "32040a000032"), &mut pool(), USUAL));
    assert_eq!(
        (outside.client, &outside.answer),
        (
            Client::Plain,
            &Answer::Refused {
                address: ip(50),
                why: Refusal::OutOfRange
            }
        )
    );
    assert_eq!(
        words(&outside).last().map(String::as_str),
        Some("56 10.0.0.50 is not in the range")
    );
}

#[test]
fn a_renewal_is_granted_to_the_address_itself_even_after_the_memory_is_gone() {
    let ack = reply(dhcp(&message(3, ip(150), ""), &mut pool(), USUAL));
    let granted = Answer::Acknowledged {
        address: ip(150),
        loader: BootFile::None,
    };
    assert_eq!(
        (&ack.answer, ack.destination),
        (
            &granted,
            Destination::Unicast(SocketAddrV4::new(ip(150), 68))
        )
    );
    let words = words(&ack);
    assert!(
        words.contains(&"yiaddr 10.0.0.150".into()) && words.contains(&"ciaddr 10.0.0.150".into())
    );
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let mut pool = pool();
    pool.take(Mac([2, 0, 0, 0, 0, 9]), ip(150), HOUR, HOUR)
        .unwrap();
    let nak = reply(dhcp(&message(3, ip(150), ""), &mut pool, USUAL));
    let refused = Answer::Refused {
        address: ip(150),
        why: Refusal::InUse,
    };
    assert_eq!(
        (&nak.answer, nak.destination),
        (&refused, Destination::Broadcast)
    );
    assert_eq!(
        words(&nak).last().map(String::as_str),
        Some("56 10.0.0.150 is in use by another machine")
    );
}

#[test]
fn inform_gets_everything_but_an_address_and_times() {
    let source = SocketAddrV4::new(ip(77), 68);
    let inform = message(8, ip(77), "");
    let ack = reply(dhcp_at(&inform, 67, source, &mut pool(), USUAL));
    assert_eq!(
        ack.destination,
        Destination::Unicast(SocketAddrV4::new(ip(77), 68))
    );
    let words = words(&ack);
    assert!(words.contains(&"1 ffffff00".into()), "{words:?}");
    assert!(
        !words
            .iter()
            .any(|w| w.starts_with("yiaddr") || w.starts_with("51 ") || w.starts_with("58 "))
    );
    assert_eq!(
        reason(dhcp(&message(8, NONE, ""), &mut pool(), USUAL)),
        Reason::NoAddress
    );
}

#[test]
fn release_and_decline_are_noted_and_not_answered() {
    let mut pool = pool();
    reply(dhcp(&message(3, ip(150), ""), &mut pool, USUAL));
    let release = |address, from, pool: &mut Pool| {
        let source = SocketAddrV4::new(from, 68);
        dhcp_at(&message(7, address, ""), 67, source, pool, USUAL)
    };
    for elsewhere in [NONE, ip(2), ip(151)] {
        assert_eq!(
            reason(release(ip(150), elsewhere, &mut pool)),
            Reason::NotFromItsAddress(ip(150))
        );
    }
    let mac = pool.machine_at(ip(150), HOUR);
    assert!(mac.is_some(), "somebody else's RELEASE");
    assert_eq!(
        release(ip(150), ip(150), &mut pool),
        Decision::Noted(Noted::Released(ip(150)))
    );
    assert_eq!(pool.machine_at(ip(150), HOUR), None);
    assert_eq!(
        reason(release(ip(151), ip(151), &mut pool)),
        Reason::NotItsAddress
    );
    reply(dhcp(&message(3, ip(150), ""), &mut pool, USUAL));
    let from_an_address = dhcp_at(
        &message(4, NONE, "32040a000096 36040a000001"),
        67,
        SocketAddrV4::new(ip(150), 68),
        &mut pool,
        USUAL,
    );
    assert_eq!(reason(from_an_address), Reason::NotFromItsAddress(ip(150)));
    let declined = dhcp(
        &message(4, NONE, "32040a000096 36040a000001"),
        &mut pool,
        USUAL,
    );
    assert_eq!(declined, Decision::Noted(Noted::Declined(ip(150))));
    let again = dhcp(&message(4, NONE, "32040a000096"), &mut pool, USUAL);
    assert_eq!(reason(again), Reason::NotItsAddress);
}

#[test]
fn a_full_range_is_logged_and_not_answered() {
    let mut small = Pool::new(ip(100), ip(100), vec![]).unwrap();
    small
        .take(Mac([2, 0, 0, 0, 0, 9]), ip(100), HOUR, HOUR)
        .unwrap();
    assert_eq!(
        reason(dhcp(&captures::PLAIN_DISCOVER.bytes(), &mut small, USUAL)),
        Reason::RangeFull
    );
}

#[test]
fn a_small_client_loses_the_least_important_options_first() {
    let script_path = "a/long/path/".repeat(9) + "{mac}";
    let boots = BootOptions {
        script_path: &script_path,
        root_path: Some(&[b'r'; 200]),
        ..boots()
    };
    let mut bytes = captures::IPXE_DISCOVER.bytes();
    // Option 57: the 576 bytes that every client must take.
    bytes[245..247].copy_from_slice(&576u16.to_be_bytes());
    let request = Request::read(&bytes).unwrap();
    let network = SubnetOptions::new(HOUR);
    let role = Role::Authoritative {
        options: &network,
        pool: &mut pool(),
    };
    let answer = reply(decide(
        &request,
        &arrival(SERVER_PORT),
        &boots,
        role,
        USUAL,
        HOUR,
    ));
    assert!(answer.packet.len() <= 548, "{}", answer.packet.len());
    assert_eq!(answer.left_out, [17]);
    let message = Message::read(&answer.packet).unwrap();
    assert!(message.file.is_empty(), "147 bytes do not fit into file");
    assert!(
        message
            .boot_file()
            .unwrap()
            .starts_with(b"http://10.0.0.1:8080/a/long")
    );
}

#[test]
fn a_servers_message_is_not_a_request() {
    let offer = reply(proxy(&captures::OVMF_DISCOVER.bytes(), USUAL));
    assert!(Request::read(&offer.packet).is_err());
    let other_port = arrival(69);
    let request = Request::read(&captures::OVMF_DISCOVER.bytes()).unwrap();
    let decision = decide(&request, &other_port, &boots(), Role::Proxy, USUAL, HOUR);
    assert_eq!(reason(decision), Reason::Port(69));
}
