//! Datagrams in, replies out, without sockets: [`Service::answer`] and what it changes.

mod bundle;
mod leases;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::{Mac, Prefix};
use netroot_proto::dhcp::code;
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::decide::{Answer, Destination};
use netroot_proto::pxe::inputs::{Loader, SubnetOptions};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_proto::pxe::subnet::Subnet;

use super::sending::Sent;
use super::*;
use crate::catalog::tests::{by_mac, image, with_rules};
use crate::catalog::{Catalog, Image};
use crate::serve::events::Format;
use crate::serve::listen::allowed::Allowed;
use crate::serve::listen::interface::tests::{interface, with_addresses};
use crate::serve::listen::leases::{LeaseFile, Writer};
use crate::serve::listen::role::AddressPool;
use crate::serve::machines::Machines;
use crate::serve::report_tokens::ReportTokens;

const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// An image that UEFI machines can load.
fn with_loader(name: &str) -> Image {
    let loader = Loader {
        platform: Platform::EfiX64,
        first: "snponly.efi".to_owned(),
        second: Some("ipxe.efi".to_owned()),
        signed: None,
    };
    Image {
        loaders: Arc::from([loader]),
        ..image(name)
    }
}

fn store_of(catalog: Catalog) -> Arc<ArtifactStore> {
    let tokens = Arc::new(ReportTokens::new([0; 16]));
    Arc::new(ArtifactStore::new(Arc::new(catalog), 8069, None, tokens))
}

fn service(role: DhcpRole) -> Service {
    let counters = Arc::new(Counters::default());
    let machines = Arc::new(Machines::new());
    Service {
        interface: Arc::new(LiveInterface::new(interface())),
        artifacts: store_of(with_rules(vec![with_loader("debian")], Vec::new())),
        http_port: 8069,
        role,
        allowed: Arc::new(LiveAllowed::new(Allowed {
            mount: vec![Prefix::clamped(SERVER, 24)],
            load: Vec::new(),
        })),
        timeline: Timeline::new(Format::Text, Arc::clone(&counters), machines),
        history: Arc::new(History::new()),
        counters,
        clock: Clock::start(),
        seen: Seen::default(),
    }
}

fn role(state: &std::path::Path) -> DhcpRole {
    let range = (Ipv4Addr::new(10, 0, 0, 100), Ipv4Addr::new(10, 0, 0, 200));
    let mut pool = Pool::new(range.0, range.1, Vec::new()).unwrap();
    let time = Duration::from_secs(3600);
    let opened = LeaseFile::open(state, "eth0", time, Clock::start().moment()).unwrap();
    for binding in opened.bindings() {
        pool.restore(binding);
    }
    let subnets = vec![Subnet {
        server: SERVER,
        network: Prefix::clamped(SERVER, 24),
        behind_relays: false,
        options: SubnetOptions::new(time),
        pool,
        relay: None,
    }];
    let addresses = AddressPool::new(subnets, time, Writer::new(opened));
    DhcpRole::Authoritative(Box::new(addresses))
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

fn probe(architecture: Option<u16>) -> Vec<u8> {
    Probe {
        mac: MAC,
        transaction: 0x1234_5678,
        asker: architecture.map_or(Asker::Plain, Asker::Firmware),
    }
    .discover()
}

/// What a machine sends: a probe, under another name.
fn discover(architecture: Option<u16>) -> Vec<u8> {
    let mut sent = probe(architecture);
    let name = b"netroot-probe";
    let at = sent.windows(name.len()).position(|it| it == name).unwrap();
    sent[at..at + name.len()].copy_from_slice(b"not-a-probe-1");
    sent
}

#[test]
fn a_probe_is_answered_and_not_remembered_and_hides_no_machine_with_its_address() {
    for role in [Some(tempfile::tempdir().unwrap()), None] {
        let role = role.as_ref().map(|state| self::role(state.path()));
        let service = Arc::new(service(role.unwrap_or(DhcpRole::Proxy)));
        let history = Arc::<History>::clone(&service.history);
        service.timeline.observed_by(history);
        service.start().unwrap();
        sent(&service, &probe(Some(7)));
        assert_eq!(service.history.summaries(), []);
        sent(&service, &discover(Some(7)));
        let machine = service.history.machine(MAC, &[]).unwrap();
        assert_eq!(machine.stage, Some("offer"));
        sent(&service, &probe(Some(7)));
        let after = service.history.machine(MAC, &[]).unwrap();
        assert_eq!(after.boots[0].steps, machine.boots[0].steps);
        assert_eq!(service.history.last_boot(MAC).0.len(), 2);
    }
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
        hardware: None,
    });
    draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
    draft.push(code::REQUESTED_ADDRESS, &address.octets());
    draft.push(code::SERVER_ID, &server.octets());
    draft.emit(LONGEST).bytes
}

/// The answer to a datagram, once it is sent and logged.
fn sent(service: &Arc<Service>, datagram: &[u8]) -> Reply {
    let (send, receive) = std::sync::mpsc::channel();
    let idle = Arc::strong_count(service);
    let reply = service.answer(datagram, arrival(), 67).unwrap();
    service.send_when_durable(reply, move |_, reply| {
        send.send(reply.clone()).unwrap();
        Ok(Sent::Yes)
    });
    let reply = receive.recv_timeout(Duration::from_secs(60)).unwrap();
    // The writer's thread logs it a moment later.
    while Arc::strong_count(service) > idle {
        std::thread::yield_now();
    }
    reply
}

#[test]
fn a_proxy_answers_only_firmware_and_believes_no_address_that_a_request_names() {
    let service = service(DhcpRole::Proxy);
    let reply = service.answer(&discover(Some(7)), arrival(), 67).unwrap();
    let loader = "snponly.efi".to_owned();
    assert_eq!(reply.answer, Answer::ProxyOffered { loader });
    assert!(service.answer(&discover(None), arrival(), 67).is_none());
    // The machine takes the main server's address, or somebody says so.
    let address = Ipv4Addr::new(10, 0, 0, 77);
    let other = Ipv4Addr::new(10, 0, 0, 254);
    assert!(
        service
            .answer(&request(address, other), arrival(), 67)
            .is_none()
    );
    assert_eq!(service.timeline.machines().at(address.into()), None);
    let counted = service.counters.snapshot();
    assert_eq!(counted.dhcp_ignored, 2);
}

/// What follows the transaction, which is echoed, in the answer to firmware's DISCOVER.
fn firmware_is_answered(service: &Service, transaction: u32) -> Vec<u8> {
    let discover = Probe {
        mac: MAC,
        transaction,
        asker: Asker::Firmware(7),
    }
    .discover();
    let reply = service.answer(&discover, arrival(), 67).unwrap();
    reply.packet[8..].to_vec()
}

#[test]
fn firmware_that_does_not_get_further_is_answered_in_another_way() {
    let mut service = service(DhcpRole::Proxy);
    let first = firmware_is_answered(&service, 1);
    service.clock.advance(Duration::from_secs(60));
    assert!(
        firmware_is_answered(&service, 2) == first,
        "one boot without progress may be a person's doing"
    );
    service.clock.advance(Duration::from_secs(60));
    assert!(
        firmware_is_answered(&service, 3) != first,
        "two mean that the machine needs another answer"
    );
}

#[test]
fn a_forged_discover_does_not_change_how_a_machine_is_answered() {
    let mut service = service(DhcpRole::Proxy);
    let first = firmware_is_answered(&service, 1);
    for transaction in 2..200 {
        assert!(firmware_is_answered(&service, transaction) == first);
    }
    let machines = service.timeline.machines();
    machines.progressed(MAC, netroot_proto::pxe::strategy::Progress::Loaded);
    for transaction in 200..210 {
        service.clock.advance(Duration::from_secs(60));
        assert!(firmware_is_answered(&service, transaction) == first);
    }
}

#[test]
fn malformed_datagrams_are_counted_and_not_answered() {
    let service = service(DhcpRole::Proxy);
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

/// A DISCOVER of netroot's init, which asks a proxy for its root.
fn init_discover(mac: Mac) -> Vec<u8> {
    let mut draft = Draft::new(Header {
        from_client: true,
        hops: 0,
        transaction: 7,
        secs: 0,
        flags: 0,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        next_server: Ipv4Addr::UNSPECIFIED,
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac,
        hardware: None,
    });
    draft.push(code::MESSAGE_TYPE, &[MessageType::Discover.into()]);
    draft.push(code::VENDOR_CLASS, netroot_proto::dhcp::INIT_VENDOR_CLASS);
    draft.emit(LONGEST).bytes
}

#[test]
fn two_machines_have_the_roots_of_two_images() {
    let images = vec![with_loader("debian"), with_loader("fedora")];
    let catalog = with_rules(images, vec![by_mac(2, "fedora")]);
    let service = Service {
        artifacts: store_of(catalog),
        ..service(DhcpRole::Proxy)
    };
    for (last, image) in [(1, "debian"), (2, "fedora")] {
        let mac = Mac([2, 0, 0, 0, 0, last]);
        let offer = service.answer(&init_discover(mac), arrival(), 67).unwrap();
        let Answer::RootOffered { root } = offer.answer else {
            panic!("{:?}", offer.answer)
        };
        let root = String::from_utf8(root).unwrap();
        assert!(root.starts_with(&format!("10.0.0.1:/{image},")), "{root}");
    }
}

#[test]
fn a_proxy_answers_with_the_address_that_the_client_can_reach() {
    let interface = with_addresses(&["10.0.0.1", "192.168.5.1"]);
    let allowed = Allowed {
        mount: interface.networks().collect(),
        load: Vec::new(),
    };
    let service = Service {
        interface: Arc::new(LiveInterface::new(interface)),
        allowed: Arc::new(LiveAllowed::new(allowed)),
        ..service(DhcpRole::Proxy)
    };
    let offer = service.answer(&init_discover(MAC), arrival(), 67).unwrap();
    assert_eq!(offer.source, SERVER);
    let second = Ipv4Addr::new(192, 168, 5, 1);
    let reached = Arrival {
        destination: second,
        ..arrival()
    };
    let offer = service.answer(&init_discover(MAC), reached, 67).unwrap();
    assert_eq!(offer.source, second);
    let from = Arrival {
        from: SocketAddrV4::new(Ipv4Addr::new(192, 168, 5, 77), 68),
        ..arrival()
    };
    let offer = service.answer(&init_discover(MAC), from, 67).unwrap();
    assert_eq!(offer.source, second);
}

/// RFC 4390: no address, and the port's GUID at the end of the client identifier.
fn infiniband(id: &[u8]) -> Vec<u8> {
    let mut datagram = discover(Some(0));
    datagram[1..3].copy_from_slice(&[32, 0]);
    datagram[28..34].fill(0);
    datagram.truncate(240);
    datagram.extend_from_slice(b"\x35\x01\x01\x5d\x02\0\x07\x3c\x09PXEClient");
    datagram.extend_from_slice(id);
    datagram.push(255);
    datagram
}

#[test]
fn who_asks_without_a_name_or_by_bootp_is_told_of_and_noise_is_not() {
    let unread = |datagram: &[u8]| {
        let error = Request::read(datagram).unwrap_err();
        Ignored::unread(&error).map(|(mac, why)| (mac, why.to_string()))
    };
    let mut nameless = infiniband(b"");
    let (_, told) = unread(&nameless).unwrap();
    assert!(
        told.starts_with(
            "DHCP with hardware type 32, without a hardware address and a client identifier"
        ),
        "{told}"
    );
    let mut bootp = discover(Some(0));
    bootp.truncate(240);
    bootp.push(255);
    let told = (Some(MAC), "BOOTP: only DHCP is served".to_owned());
    assert_eq!(unread(&bootp), Some(told));
    // A server's message, one without the magic cookie, and one that ends too early.
    nameless[0] = 2;
    assert_eq!(unread(&nameless), None);
    nameless[0] = 1;
    nameless[236] = 0;
    assert_eq!(unread(&nameless), None);
    assert_eq!(unread(&bootp[..239]), None);
}

#[test]
fn a_port_of_infiniband_is_answered_by_broadcast_in_both_roles() {
    let state = tempfile::tempdir().unwrap();
    let id = b"\x3d\x09\xff\x24\x8a\x07\x03\x00\x1c\xee\xac";
    for role in [DhcpRole::Proxy, role(state.path())] {
        let authoritative = matches!(role, DhcpRole::Authoritative(_));
        let service = Arc::new(service(role));
        let offer = sent(&service, &infiniband(id));
        assert_eq!(offer.destination, Destination::Broadcast);
        assert_eq!(offer.machine, Mac([0x24, 0x8a, 7, 0x1c, 0xee, 0xac]));
        assert_eq!(offer.packet[1..3], [32, 0]);
        assert_eq!(offer.packet[28..44], [0; 16], "RFC 4390 §2.2");
        if authoritative {
            assert!(matches!(offer.answer, Answer::Offered { .. }));
            let message = netroot_proto::dhcp::options::Options::read(&offer.packet[240..]);
            assert_eq!(message.bytes(code::CLIENT_ID), Some(&id[2..]));
        } else {
            assert!(matches!(offer.answer, Answer::ProxyOffered { .. }));
        }
    }
}

#[test]
fn an_address_of_the_interfaces_other_network_is_another_servers_matter() {
    let state = tempfile::tempdir().unwrap();
    let service = Service {
        interface: Arc::new(LiveInterface::new(with_addresses(&[
            "10.0.0.1",
            "192.168.5.1",
        ]))),
        ..service(role(state.path()))
    };
    let boots_with = |address: [u8; 4]| {
        let mut draft = Draft::new(Header::of_client(MAC, 9));
        draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
        draft.push(code::REQUESTED_ADDRESS, &address);
        service.answer(&draft.emit(LONGEST).bytes, arrival(), 67)
    };
    // Before, it was refused, though another server had given it.
    assert_eq!(boots_with([192, 168, 5, 77]), None);
    let refused = boots_with([10, 9, 9, 9]).unwrap();
    assert!(matches!(refused.answer, Answer::Refused { .. }));
    assert!(matches!(
        boots_with([10, 0, 0, 150]).unwrap().answer,
        Answer::Acknowledged { .. }
    ));
}
