//! Datagrams in, replies out, without a wire: [`Service::answer`] and what it leaves behind.

use std::net::Ipv4Addr;

use netroot_proto::dhcp::Mac;
use netroot_proto::dhcp::code;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::Header;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::config::Loader;
use netroot_proto::pxe::probe::Probe;

use super::*;
use crate::serve::events::Format;
use crate::serve::listen::interface::tests::interface;
use crate::serve::machines::Machines;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn service(office: Office) -> Service {
    let counters = Arc::new(Counters::default());
    let machines = Arc::new(Machines::new());
    Service {
        interface: interface(),
        config: Config {
            http_port: 8069,
            script_path: "boot/{mac}.ipxe".to_owned(),
            loaders: vec![Loader {
                platform: Platform::EfiX64,
                first: "snponly.efi".to_owned(),
                second: Some("ipxe.efi".to_owned()),
            }],
            root_path: None,
        },
        office,
        frames: None,
        timeline: Timeline::new(Format::Text, Arc::clone(&counters), machines),
        counters,
        clock: Clock::start(),
    }
}

fn office(state: &std::path::Path) -> Office {
    let range = (Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 200));
    Office::Dhcp(Box::new(Mutex::new(Addresses {
        network: Network::new(Duration::from_secs(3600)),
        pool: Pool::new(range.0, range.1, Vec::new()).unwrap(),
        leases: Leases::of(state, "eth0"),
        changed: false,
        told: false,
    })))
}

fn arrival() -> Arrival {
    Arrival {
        length: 0,
        truncated: false,
        from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
        interface: 7,
        local: SERVER,
        destination: Ipv4Addr::BROADCAST,
    }
}

fn discover(architecture: Option<u16>) -> Vec<u8> {
    Probe {
        mac: MAC,
        transaction: 0x1234_5678,
        architecture,
    }
    .discover()
}

fn request(address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
    let mut draft = Draft::new(Header {
        from_client: true,
        hops: 0,
        transaction: 0x1234_5678,
        secs: 0,
        flags: 0,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        next_server: Ipv4Addr::UNSPECIFIED,
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac: MAC,
    });
    draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
    draft.push(code::REQUESTED_ADDRESS, &address.octets());
    draft.push(code::SERVER_ID, &server.octets());
    draft.emit(LONGEST).bytes
}

#[test]
fn a_lease_is_offered_granted_and_written_and_its_machine_is_known_by_its_address() {
    let state = tempfile::tempdir().unwrap();
    let service = service(office(state.path()));
    let offer = service.answer(&discover(Some(7)), arrival(), 67).unwrap();
    assert_eq!(offer.machine, MAC);
    service.save_leases();
    assert!(
        !state.path().join("leases-eth0").exists(),
        "an offer is no lease"
    );

    let Office::Dhcp(addresses) = &service.office else {
        panic!()
    };
    let offered = addresses
        .lock()
        .unwrap()
        .pool
        .bindings()
        .next()
        .unwrap()
        .address;
    let ack = service
        .answer(&request(offered, SERVER), arrival(), 67)
        .unwrap();
    assert!(matches!(ack.answer, Answer::Acknowledged { .. }));
    assert!(
        matches!(ack.destination, Destination::Ethernet { mac: MAC, address } if address == offered)
    );
    service.save_leases();
    let file = std::fs::read_to_string(state.path().join("leases-eth0")).unwrap();
    assert!(
        file.contains(&format!("\"{offered}\"")) && file.contains("52:54:00:12:34:56"),
        "{file}"
    );
    assert_eq!(service.timeline.machines().at(offered), Some(MAC));
    assert_eq!(service.counters.snapshot().dhcp_answered, 2);
}

#[test]
fn a_proxy_answers_only_firmware_and_learns_from_other_requests() {
    let service = service(Office::Proxy);
    let reply = service.answer(&discover(Some(7)), arrival(), 67).unwrap();
    let loader = "snponly.efi".to_owned();
    assert_eq!(reply.answer, Answer::ProxyOffered { loader });
    assert!(service.answer(&discover(None), arrival(), 67).is_none());
    // The machine takes the main server's address: not answered, but remembered.
    let address = Ipv4Addr::new(10, 0, 0, 77);
    let other = Ipv4Addr::new(10, 0, 0, 254);
    assert!(
        service
            .answer(&request(address, other), arrival(), 67)
            .is_none()
    );
    assert_eq!(service.timeline.machines().at(address), Some(MAC));
    let counted = service.counters.snapshot();
    assert_eq!((counted.dhcp_answered, counted.dhcp_ignored), (1, 2));
}

#[test]
fn firmware_that_does_not_get_further_is_answered_in_another_way() {
    let service = service(Office::Proxy);
    let answer = |transaction| {
        let discover = Probe {
            mac: MAC,
            transaction,
            architecture: Some(7),
        }
        .discover();
        service.answer(&discover, arrival(), 67).unwrap().packet
    };
    let first = answer(1);
    // The transaction is echoed; everything after it is the answer.
    let alike = |packet: &[u8]| packet[8..] == first[8..];
    assert!(
        alike(&answer(2)),
        "one boot without progress may be a person's doing"
    );
    assert!(
        !alike(&answer(3)),
        "two mean that the machine needs another answer"
    );
}

#[test]
fn malformed_datagrams_are_counted_and_not_answered() {
    let service = service(Office::Proxy);
    let whole = discover(Some(7));
    for cut in 0..whole.len().min(240) {
        assert!(
            service.answer(&whole[..cut], arrival(), 67).is_none(),
            "{cut} bytes"
        );
    }
    assert_eq!(service.counters.snapshot().dhcp_ignored, 240);
    assert_eq!(service.counters.snapshot().dhcp_answered, 0);
}
