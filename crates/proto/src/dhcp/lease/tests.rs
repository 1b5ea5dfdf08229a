//! Honest and lying servers.

use super::super::emit::Draft;
use super::super::header::Header;
use super::*;
use netroot_net::Mac;

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn ack() -> Draft {
    let mut draft = Draft::new(Header {
        from_client: false,
        hops: 0,
        transaction: 7,
        secs: 0,
        flags: 0,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: ip(9),
        next_server: Ipv4Addr::UNSPECIFIED,
        relay_ip: Ipv4Addr::UNSPECIFIED,
        mac: Mac([2, 0, 0, 0, 0, 1]),
        hardware: None,
    });
    draft
        .push(code::MESSAGE_TYPE, &[5])
        .push(code::SUBNET_MASK, &[255, 255, 255, 0]);
    draft
}

fn read(draft: &Draft) -> Lease {
    Lease::read(&draft.emit(1472).bytes).unwrap()
}

fn notes(lease: &Lease) -> Vec<String> {
    lease.notes.iter().map(Note::to_string).collect()
}

#[test]
fn everything_asked_for_is_read() {
    let mut draft = ack();
    draft.header.next_server = ip(2);
    draft.file = b"pxelinux.0".to_vec();
    draft
        .push(code::SERVER_ID, &ip(1).octets())
        .push(code::LEASE_TIME, &3600u32.to_be_bytes())
        .push_addresses(code::ROUTERS, &[ip(1)])
        .push_addresses(code::NAME_SERVERS, &[ip(3), ip(4)])
        .push(code::HOST_NAME, b"diskless-7")
        .push(code::DOMAIN_NAME, b"example.org.")
        .push(code::DOMAIN_SEARCH, b"\x01a\x07example\x00\x01b\xc0\x02")
        .push(code::ROOT_PATH, b"10.0.0.2:/srv/root,vers=3\0")
        .push(code::INTERFACE_MTU, &9000u16.to_be_bytes())
        .push(code::BROADCAST_ADDRESS, &ip(255).octets())
        .push_addresses(code::NTP_SERVERS, &[ip(5)]);
    let lease = read(&draft);
    let seconds = |n| Some(Duration::from_secs(n));
    let expected = Lease {
        message: Some(MessageType::Ack),
        address: ip(9),
        prefix: 24,
        routers: vec![ip(1)],
        routes: vec![],
        dns: vec![ip(3), ip(4)],
        host_name: Some("diskless-7".into()),
        domain: Some("example.org".into()),
        search: vec!["a.example".into(), "b.example".into()],
        root_path: Some(b"10.0.0.2:/srv/root,vers=3".to_vec()),
        mtu: Some(9000),
        broadcast: Some(ip(255)),
        ntp: vec![ip(5)],
        server_id: Some(ip(1)),
        next_server: Some(ip(2)),
        boot_file: Some(b"pxelinux.0".to_vec()),
        lease_time: seconds(3600),
        renew_after: seconds(1800),
        rebind_after: seconds(3150),
        notes: vec![],
    };
    assert_eq!(lease, expected);
    assert_eq!(lease.default_gateway(), Some(ip(1).into()));
}

#[test]
fn of_two_routers_the_first_in_the_network_is_used() {
    let mut draft = ack();
    let far = Ipv4Addr::new(192, 168, 1, 1);
    draft.push_addresses(code::ROUTERS, &[Ipv4Addr::UNSPECIFIED, far, ip(9), ip(1)]);
    let lease = read(&draft);
    assert_eq!(lease.routers, [ip(1), far]);
    assert_eq!(
        notes(&lease),
        [
            "option 3 names 0.0.0.0, which no host can have; ignored",
            "option 3 names 10.0.0.9, which no host can have; ignored",
            "2 routers (option 3); 10.0.0.1 is used",
        ]
    );
}

#[test]
fn classless_routes_replace_the_routers() {
    let mut draft = ack();
    draft.push_addresses(code::ROUTERS, &[ip(1)]);
    draft.push(
        code::CLASSLESS_ROUTES,
        &[0, 10, 0, 0, 2, 16, 172, 16, 0, 0, 0, 0],
    );
    let lease = read(&draft);
    assert_eq!(lease.default_gateway(), Some(ip(2).into()));
    let routes: Vec<String> = lease
        .routes_to_install()
        .iter()
        .map(Route::to_string)
        .collect();
    // What is on the link comes first: a gateway may be reached through it.
    assert_eq!(routes, ["172.16.0.0/16 on link", "0.0.0.0/0 via 10.0.0.2"]);

    let mut no_default = ack();
    no_default.push_addresses(code::ROUTERS, &[ip(1)]);
    no_default.push(code::CLASSLESS_ROUTES, &[8, 10, 10, 0, 0, 2]);
    assert_eq!(
        read(&no_default).default_gateway(),
        None,
        "RFC 3442: 3 is ignored"
    );
}

#[test]
fn invalid_classless_routes_leave_the_routers_in_force() {
    let mut draft = ack();
    draft.push_addresses(code::ROUTERS, &[ip(1)]);
    draft.push(code::CLASSLESS_ROUTES, &[77, 1, 2]);
    let lease = read(&draft);
    assert_eq!(lease.default_gateway(), Some(ip(1).into()));
    assert_eq!(
        notes(&lease),
        ["the routes (option 121) end in invalid data; 0 kept"]
    );
}

#[test]
fn an_mtu_of_576_or_less_is_ignored() {
    for mtu in [0u16, 68, 576] {
        let mut draft = ack();
        draft.push(code::INTERFACE_MTU, &mtu.to_be_bytes());
        let lease = read(&draft);
        assert_eq!(lease.mtu, None);
        assert_eq!(lease.notes, [Note::Mtu(mtu)]);
    }
    let mut draft = ack();
    draft.push(code::INTERFACE_MTU, &[5]);
    assert_eq!(read(&draft).notes, [Note::Length { code: 26, len: 1 }]);
}

#[test]
fn names_that_are_too_long_or_contain_control_characters_are_ignored() {
    let mut draft = ack();
    draft
        .push(code::HOST_NAME, &[b'h'; 255])
        .push(code::DOMAIN_NAME, b"a\x1b[2Jb");
    draft.push(code::ROOT_PATH, b"/srv\n\x1b[0m");
    let lease = read(&draft);
    assert_eq!((&lease.host_name, &lease.domain), (&None, &None));
    assert_eq!(
        lease.root_path.as_deref(),
        Some(&b"/srv\n\x1b[0m"[..]),
        "raw, for the caller to judge"
    );
    assert_eq!(
        lease.notes,
        [
            Note::Name(12, 255),
            Note::Name(15, 6),
            Note::RootPathControls
        ]
    );
    for name in [&[b'd'; 64][..], b"lab..example", b".lab"] {
        let mut draft = ack();
        draft.push(code::DOMAIN_NAME, name);
        let lease = read(&draft);
        assert_eq!((lease.domain, lease.notes.len()), (None, 1), "{name:?}");
    }
    let mut long = ack();
    let name = format!("node7.{}", "x.".repeat(40));
    long.push(code::HOST_NAME, name.as_bytes());
    assert_eq!(read(&long).host_name.as_deref(), Some("node7"));
}

#[test]
fn a_missing_or_impossible_mask_falls_back_to_the_class() {
    for (mask, first, prefix) in [
        (None, 10, 8),
        (Some([255, 0, 255, 0]), 172, 16),
        (Some([0, 0, 0, 0]), 192, 24),
    ] {
        let mut draft = Draft::new(Header {
            your_ip: Ipv4Addr::new(first, 1, 1, 1),
            ..ack().header
        });
        if let Some(mask) = mask {
            draft.push(code::SUBNET_MASK, &mask);
        }
        let lease = read(&draft);
        assert_eq!(lease.prefix, prefix);
        assert_eq!(lease.notes, [Note::Mask(mask.map(Ipv4Addr::from), prefix)]);
        assert_eq!(lease.message, None, "a BOOTP reply");
    }
}

#[test]
fn times_that_contradict_each_other_are_replaced_by_the_usual_fractions() {
    let times = |lease: u32, renew: u32, rebind: u32| {
        let mut draft = ack();
        draft.push(code::LEASE_TIME, &lease.to_be_bytes());
        draft.push(code::RENEWAL_TIME, &renew.to_be_bytes());
        draft.push(code::REBINDING_TIME, &rebind.to_be_bytes());
        let lease = read(&draft);
        (
            lease.renew_after.map(|t| t.as_secs()),
            lease.rebind_after.map(|t| t.as_secs()),
            lease.notes,
        )
    };
    assert_eq!(times(800, 100, 200), (Some(100), Some(200), vec![]));
    assert_eq!(
        times(800, 900, 200),
        (Some(400), Some(700), vec![Note::Times])
    );
    assert_eq!(times(u32::MAX, 1, 2), (None, None, vec![]));
}

#[test]
fn a_message_without_a_lease_is_an_error_that_says_why() {
    let error = |draft: &Draft| {
        Lease::read(&draft.emit(1472).bytes)
            .unwrap_err()
            .to_string()
    };
    let mut nak = Draft::new(ack().header);
    nak.push(code::MESSAGE_TYPE, &[6]);
    assert_eq!(error(&nak), "a NAK carries no lease");
    let mut client = ack();
    client.header.from_client = true;
    assert_eq!(error(&client), "a client's message, not a server's");
    for address in [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
    ] {
        let mut draft = ack();
        draft.header.your_ip = address.into();
        assert!(error(&draft).ends_with("which no host can have"));
    }
    assert!(Lease::read(b"short").is_err());
}

#[test]
fn the_answer_to_an_inform_is_a_lease_for_the_address_that_asked() {
    let mut draft = ack();
    draft.header.your_ip = Ipv4Addr::UNSPECIFIED;
    draft.header.client_ip = ip(44);
    let lease = read(&draft);
    assert_eq!((lease.address, lease.lease_time), (ip(44), None));
}

#[test]
fn a_damaged_message_is_read_as_far_as_it_goes() {
    let mut bytes = ack().emit(1472).bytes;
    bytes.truncate(240 + 3 + 6);
    bytes.extend_from_slice(&[12, 3, b'a', b'b', b'c', 6, 200, 1]);
    let lease = Lease::read(&bytes).unwrap();
    assert_eq!(lease.host_name.as_deref(), Some("abc"));
    assert_eq!(
        notes(&lease),
        ["option 6 claims 200 bytes where the options field has only 1 left"]
    );
}
