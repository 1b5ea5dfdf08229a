//! Our boot server beside another DHCP server, with our own init as client.

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Mac;
use netroot_net::Prefix;
use netroot_proto::dhcp::emit::Draft;
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{CLIENT_PORT, INIT_VENDOR_CLASS, MessageType, SERVER_PORT, code};
use netroot_proto::pxe::decide::{Decision, Destination, Reason, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Role};
use netroot_proto::pxe::strategy::Strategy;

use super::lan::{SECOND, ip};

/// Our boot server's answer, as a proxy, to a client of this class.
fn proxy_answers(kind: MessageType, class: &[u8], root: Option<&[u8]>) -> Decision {
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    let mut draft = Draft::new(Header {
        from_client: true,
        hops: 0,
        transaction: 7,
        secs: 0,
        flags: 0,
        client_ip: match kind {
            MessageType::Inform => ip(50),
            _ => Ipv4Addr::UNSPECIFIED,
        },
        your_ip: Ipv4Addr::UNSPECIFIED,
        next_server: Ipv4Addr::UNSPECIFIED,
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac,
        hardware: None,
    });
    draft.push(code::MESSAGE_TYPE, &[kind.into()]);
    draft.push(code::VENDOR_CLASS, class);
    let request = Request::read(&draft.emit(548).bytes).unwrap();
    let boots = BootOptions {
        http_port: 80,
        script_path: "boot/{mac}.ipxe",
        loaders: &[],
        root_path: root,
        allowed: None,
        host_name: None,
        refused: false,
    };
    let arrival = Arrival {
        interface: "lan".into(),
        address: ip(2),
        network: Prefix::clamped(ip(2), 24),
        behind_relays: false,
        port: SERVER_PORT,
        source: SocketAddrV4::new(request.header.client_ip, CLIENT_PORT),
    };
    let strategy = Strategy::default();
    decide(&request, &arrival, &boots, Role::Proxy, strategy, SECOND)
}

#[test]
fn an_init_with_a_static_address_learns_its_root_by_inform() {
    let path = b"10.0.0.2:/root";
    let decision = proxy_answers(MessageType::Inform, INIT_VENDOR_CLASS, Some(path));
    let Decision::Reply(reply) = decision else {
        panic!("{decision:?}");
    };
    let to = SocketAddrV4::new(ip(50), CLIENT_PORT);
    assert_eq!(reply.destination, Destination::Unicast(to));
    let lease = Lease::read(&reply.packet).unwrap();
    assert_eq!((lease.address, lease.lease_time), (ip(50), None));
    assert_eq!(lease.root_path.as_deref(), Some(&path[..]));
}

#[test]
fn every_unanswered_request_of_the_init_has_a_reason() {
    for (kind, root, reason) in [
        (MessageType::Discover, None, Reason::NoRoot),
        (
            MessageType::Request,
            Some(&b"/root"[..]),
            Reason::ForAnotherServer(None),
        ),
        (
            MessageType::Release,
            Some(&b"/root"[..]),
            Reason::NoAnswerTo(MessageType::Release),
        ),
    ] {
        let decision = proxy_answers(kind, INIT_VENDOR_CLASS, root);
        assert_eq!(decision, Decision::Ignore(reason));
    }
    // A similar class is not ours.
    let decision = proxy_answers(MessageType::Discover, b"netroots", Some(b"/root"));
    assert_eq!(decision, Decision::Ignore(Reason::NotNetworkBoot));
}
