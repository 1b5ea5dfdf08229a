//! One machine, one lease: the identity sent by the init and by its firmware, in packets
//! recorded from both on machines with the same UUID.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::dhcp::client_identity::{ClientIdentity, uuid_as_firmware_sends_it};
use netroot_proto::dhcp::code;
use netroot_proto::dhcp::exchange::{Action, Exchange};
use netroot_proto::dhcp::frame::from_client;
use netroot_proto::dhcp::offers::Score;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::strategy::Strategy;

use super::captures::{self, Capture, INIT_OF_UUID, IPXE_OF_UUID, OVMF_OF_UUID, PLAIN_DISCOVER};
use super::decisions;

fn option(capture: &Capture, code: u8) -> Option<Vec<u8>> {
    let message = Message::read(&capture.bytes()).unwrap();
    message.options.bytes(code).map(<[u8]>::to_vec)
}

/// The init's current DISCOVER on a machine whose kernel shows this UUID.
fn discover(uuid: &str, architecture: u16) -> Vec<u8> {
    let identity = ClientIdentity {
        uuid: uuid_as_firmware_sends_it(uuid),
        architecture: Some(architecture),
        ..ClientIdentity::default()
    };
    let mac = Message::read(&INIT_OF_UUID.bytes()).unwrap().header.mac;
    let mut exchange = Exchange::new(mac, identity, 7);
    exchange.carrier(true, Duration::ZERO);
    let Some(Action::Send(frame)) = exchange.poll(Duration::ZERO, &|_| Score::Nothing) else {
        panic!("nothing is sent");
    };
    from_client(&frame).expect("a DISCOVER").to_vec()
}

/// Its options.
fn said(uuid: &str, architecture: u16) -> Message {
    Message::read(&discover(uuid, architecture)).unwrap()
}

#[test]
fn the_uuid_is_bit_for_bit_what_each_firmware_sends() {
    // `/sys/class/dmi/id/product_uuid` shows it in lower case, with a newline.
    let ours = said(&format!("{}\n", captures::UUID), 0);
    let ours = ours.options.bytes(code::CLIENT_UUID).unwrap();
    for capture in [OVMF_OF_UUID, IPXE_OF_UUID, INIT_OF_UUID] {
        assert_eq!(option(&capture, code::CLIENT_UUID).as_deref(), Some(ours));
    }
    // SMBIOS stores three fields in the other byte order.
    assert_eq!(ours[..5], [0, 0xba, 0x28, 0x4e, 0x1b]);
}

#[test]
fn client_identifier_and_architecture_equal_the_firmwares() {
    for (capture, architecture) in [(OVMF_OF_UUID, 7), (IPXE_OF_UUID, 0), (INIT_OF_UUID, 0)] {
        let ours = said(captures::UUID, architecture);
        let of = |code| option(&capture, code);
        let same = |code| of(code).as_deref() == ours.options.bytes(code);
        assert!(same(code::CLIENT_ARCH));
        // OVMF identifies itself by its NIC alone.
        assert!(same(code::CLIENT_ID) || of(code::CLIENT_ID).is_none());
        let mac = Message::read(&capture.bytes()).unwrap().header.mac;
        assert_eq!(mac, ours.header.mac);
    }
    assert!(option(&IPXE_OF_UUID, code::CLIENT_ID).is_some());
}

#[test]
fn the_recorded_init_packet_matches_the_current_one() {
    let recorded = INIT_OF_UUID.bytes();
    let mut ours = discover(captures::UUID, 0);
    // Byte by byte, except for the transaction ID, which is random.
    ours[4..8].copy_from_slice(&recorded[4..8]);
    assert_eq!(ours, recorded);
}

#[test]
fn firmware_init_and_system_of_one_machine_share_one_lease() {
    let mut pool = decisions::pool();
    let offered = |capture: &Capture| {
        let decision = decisions::dhcp(&capture.bytes(), &mut pool, Strategy::default());
        let offer = decisions::reply(decision);
        Message::read(&offer.packet).unwrap().header.your_ip
    };
    let asked = [OVMF_OF_UUID, IPXE_OF_UUID, INIT_OF_UUID, PLAIN_DISCOVER];
    let addresses: BTreeSet<Ipv4Addr> = asked.iter().map(offered).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    assert_eq!(pool.offers().count(), 1);
}

#[test]
fn ipxe_tells_which_nic_it_boots_from_and_firmware_does_not() {
    let nic = |capture: Capture| Request::read(&capture.bytes()).unwrap().nic();
    let virtio = "1af4:1000".parse().ok();
    assert_eq!(nic(captures::IPXE_DISCOVER), virtio);
    assert_eq!(nic(captures::IPXE_REQUEST), virtio);
    assert_eq!(nic(captures::OVMF_DISCOVER), None);
}
