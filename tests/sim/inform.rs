//! DHCPINFORM: our init's request, and servers' answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::inform::Inform;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::{INIT_VENDOR_CLASS, MessageType, code};
use proptest::prelude::*;

use super::frames::frame;
use super::lan::{SECOND, ip};
use super::server::{Habit, Sent, Server};

const HOUR: Duration = Duration::from_secs(3600);

fn inform() -> Inform {
    Inform {
        mac: Mac([2, 0, 0, 0, 0, 7]),
        address: ip(50),
        transaction: 0x0102_0304,
        identity: ClientIdentity {
            uuid: Some([0x5a; 16]),
            ..ClientIdentity::default()
        },
    }
}

fn ask(server: &mut Server) -> Option<Lease> {
    let inform = inform();
    let reply = server.answer(&inform.frame(3 * SECOND), SECOND)?;
    inform.answer(&reply)
}

#[test]
fn a_dhcp_server_answers_an_inform_without_address_and_times() {
    let mut server = Server::dhcp(1, (100, 120), HOUR);
    let lease = ask(&mut server).expect("an answer");
    assert_eq!(server.sent, [Sent::DhcpAck]);
    assert_eq!((lease.address, lease.lease_time), (ip(50), None));
    assert_eq!(lease.root_path.as_deref(), Some(&b"10.0.0.1:/root"[..]));
    assert_eq!((lease.routers, lease.dns), (vec![ip(1)], vec![ip(53)]));
    let asked = server.asked.unwrap();
    assert_eq!(asked.kind, MessageType::Inform);
    assert_eq!((asked.header.client_ip, asked.header.secs), (ip(50), 3));
    assert_eq!(asked.vendor_class.as_deref(), Some(INIT_VENDOR_CLASS));
    assert_eq!(asked.client_id.as_deref(), Some(&[1, 2, 0, 0, 0, 0, 7][..]));
    assert_eq!(asked.uuid.as_ref().map(Vec::len), Some(17));
    assert!(asked.wants(code::ROOT_PATH));
    // RFC 2131 table 5.
    assert_eq!((asked.requested_address, asked.server_id), (None, None));
    // It created no lease.
    let (_, pool) = server.dhcp.unwrap();
    assert_eq!(pool.bindings().count(), 0);
}

#[test]
fn a_proxy_answers_an_inform_with_the_root_alone() {
    let lease = ask(&mut Server::proxy(2)).expect("an answer");
    assert_eq!(lease.root_path.as_deref(), Some(&b"10.0.0.1:/root"[..]));
    assert_eq!(lease.notes, []);
}

#[test]
fn inform_replies_without_or_with_an_address_are_accepted() {
    let no_address: Habit = |packet| packet[12..16].fill(0);
    let leases: Habit = |packet| {
        packet[16..20].copy_from_slice(&[10, 0, 0, 99]);
        let end = packet.iter().rposition(|byte| *byte == 255).unwrap();
        packet.splice(end..end, [51, 4, 0, 0, 0, 60]);
    };
    for habit in [no_address, leases] {
        let mut server = Server::dhcp(1, (100, 120), HOUR);
        server.habit = Some(habit);
        let lease = ask(&mut server).expect("an answer");
        assert_eq!((lease.address, lease.lease_time), (ip(50), None));
        assert_eq!(lease.root_path.as_deref(), Some(&b"10.0.0.1:/root"[..]));
    }
}

#[test]
fn replies_to_others_and_of_other_types_are_ignored() {
    let habits: [Habit; 4] = [
        // Another transaction, another NIC, a NAK, a request.
        |packet| packet[4] ^= 1,
        |packet| packet[28] ^= 4,
        |packet| packet[242] = 6,
        |packet| packet[0] = 1,
    ];
    for habit in habits {
        let mut server = Server::dhcp(1, (100, 120), HOUR);
        server.habit = Some(habit);
        assert_eq!(ask(&mut server), None);
        assert_eq!(server.sent, [Sent::DhcpAck], "it did answer");
    }
}

proptest! {
    #[test]
    fn no_frame_breaks_the_inform_exchange(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cut in 0usize..600,
    ) {
        let inform = inform();
        inform.answer(&bytes);
        inform.answer(&frame(67, 68, Ipv4Addr::UNSPECIFIED, &bytes));
        let mut server = Server::dhcp(1, (100, 120), HOUR);
        let mut reply = server.answer(&inform.frame(SECOND), SECOND).unwrap();
        reply.truncate(cut);
        inform.answer(&reply);
    }
}
