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
use super::decisions::{HOUR, USUAL, arrival, boots, dhcp, pool, proxy, reason, reply, words};
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
        assert_eq!(reply.destination, Destination::Relay(ip(254)));
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
        Reason::RelayElsewhere(elsewhere)
    );
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
    let ack = reply(dhcp(&message(8, ip(77), ""), &mut pool(), USUAL));
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
    assert_eq!(
        dhcp(&message(7, ip(150), ""), &mut pool, USUAL),
        Decision::Noted(Noted::Released(ip(150)))
    );
    assert_eq!(
        reason(dhcp(&message(7, ip(151), ""), &mut pool, USUAL)),
        Reason::NotItsAddress
    );
    reply(dhcp(&message(3, ip(150), ""), &mut pool, USUAL));
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
