//! Leases: offered, granted and written before they are acknowledged.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::pxe::decide::{Answer, Destination};

use super::super::sending::Sent;
use super::super::*;
use super::{MAC, SERVER, arrival, discover, probe, request, role, sent, service};

/// The leases in the pool.
fn leases(service: &Service) -> Vec<(Ipv4Addr, Mac)> {
    let DhcpRole::Authoritative(addresses) = &service.role else {
        panic!()
    };
    let subnets = addresses.subnets();
    let leases = subnets.iter().flat_map(|subnet| subnet.pool.bindings());
    leases.map(|lease| (lease.address, lease.mac)).collect()
}

#[test]
fn a_lease_is_offered_granted_and_written_and_its_machine_is_known_by_its_address() {
    let state = tempfile::tempdir().unwrap();
    let first = Arc::new(service(role(state.path())));
    first.start().unwrap();
    let offer = sent(&first, &discover(Some(7)));
    assert_eq!(offer.machine, MAC);
    let Answer::Offered { address, .. } = offer.answer else {
        panic!("{:?}", offer.answer)
    };
    assert_eq!(leases(&first), [], "an offer is no lease");

    let ack = sent(&first, &request(address, SERVER));
    assert!(matches!(ack.answer, Answer::Acknowledged { .. }));
    assert!(
        matches!(ack.destination, Destination::Ethernet { mac: MAC, address: to } if to == address)
    );
    assert_eq!(first.timeline.machines().at(address.into()), Some(MAC));
    // The same again needs no write.
    sent(&first, &request(address, SERVER));
    let counted = first.counters.snapshot();
    assert_eq!((counted.dhcp_answered, counted.lease_transactions), (3, 1));
    first.stop();
    drop(first);
    let second = service(role(state.path()));
    assert_eq!(leases(&second), [(address, MAC)]);
}

#[test]
fn a_machine_is_known_before_its_answer_leaves() {
    let state = tempfile::tempdir().unwrap();
    let service = Arc::new(service(role(state.path())));
    service.start().unwrap();
    let offer = sent(&service, &discover(Some(7)));
    let Answer::Offered { address, .. } = offer.answer else {
        panic!("{:?}", offer.answer)
    };
    let (send, receive) = std::sync::mpsc::channel();
    let reply = service.answer(&request(address, SERVER), arrival(), 67);
    // It asks for its loader as soon as the answer is there.
    service.send_when_durable(reply.unwrap(), move |service, _| {
        let known = service.timeline.machines().at(address.into());
        send.send(known).unwrap();
        Ok(Sent::Yes)
    });
    let known = receive.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(known, Some(MAC));
}

#[test]
fn who_takes_a_lease_in_the_name_of_a_probe_is_seen() {
    let state = tempfile::tempdir().unwrap();
    let service = Arc::new(service(role(state.path())));
    let history = Arc::<History>::clone(&service.history);
    service.timeline.observed_by(history);
    service.start().unwrap();
    let offer = sent(&service, &probe(Some(7)));
    let Answer::Offered { address, .. } = offer.answer else {
        panic!("{:?}", offer.answer)
    };
    assert_eq!(service.history.summaries(), []);
    // The same, as a REQUEST for the address.
    let (mut request, kind) = (probe(Some(7)), [53, 1, 1]);
    let at = request.windows(3).position(|it| it == kind).unwrap();
    let asks = [
        &[53, 1, 3, 50, 4],
        &address.octets()[..],
        &[54, 4],
        &SERVER.octets(),
    ]
    .concat();
    request.splice(at..at + 3, asks);
    let ack = sent(&service, &request);
    assert!(ack.to_probe && matches!(ack.answer, Answer::Acknowledged { .. }));
    assert_eq!(leases(&service), [(address, MAC)]);
    let machine = service.history.machine(MAC, &[]).unwrap();
    assert_eq!(machine.addresses, [address.to_string()]);
}

#[test]
fn offers_do_not_wait_for_the_disk_and_acknowledgements_do() {
    let state = tempfile::tempdir().unwrap();
    // The thread is not started: nothing is ever written.
    let service = Arc::new(service(role(state.path())));
    let DhcpRole::Authoritative(addresses) = &service.role else {
        panic!()
    };
    addresses.leases.pretend_to_write();
    let Answer::Offered { address, .. } = sent(&service, &discover(Some(7))).answer else {
        panic!()
    };
    let reply = service.answer(&request(address, SERVER), arrival(), 67);
    service.send_when_durable(reply.unwrap(), |_, _| panic!("nothing was written"));
    sent(&service, &discover(Some(7)));
    assert_eq!(service.counters.snapshot().dhcp_answered, 2);
}
