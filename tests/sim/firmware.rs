//! Transcripts: a real client's packet, and every relevant byte of the answer.

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Mac;
use netroot_proto::dhcp::BINL_PORT;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::request::Request;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::client::Client;
use netroot_proto::pxe::decide::{Answer, BootFile, Destination, Reason, decide};
use netroot_proto::pxe::inputs::{Arrival, Role, SubnetOptions};
use netroot_proto::pxe::strategy::{LoaderChoice, Strategy, Style};

use super::captures::{self, with_options};
use super::decisions::{
    HOUR, OTHER, USUAL, arrival, boots, dhcp, pool, proxy, reason, reply, words,
};
use super::lan::ip;

const UUID: &str = "97 00523d4bbf3e7a0f4a9d5e0c1d2e3f4a5b";

#[test]
fn ovmf_beside_another_dhcp_server_gets_its_file_in_the_offer() {
    let reply = reply(proxy(&captures::OVMF_DISCOVER.bytes(), USUAL));
    assert_eq!(
        words(&reply),
        [
            "to Broadcast",
            "flags 0x8000",
            "siaddr 10.0.0.1",
            "file snponly.efi",
            "53 02",
            "54 0a000001",
            "60 PXEClient",
            "43 060108ff",
            UUID,
            "67 snponly.efi",
            "66 10.0.0.1",
        ]
    );
    let message = Message::read(&reply.packet).unwrap();
    assert_eq!(message.header.transaction, 0x3f0a_4371);
    assert_eq!(reply.machine, Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert_eq!(reply.client, Client::Pxe(Platform::EfiX64));
    let loader = "snponly.efi".to_owned();
    assert_eq!(reply.answer, Answer::ProxyOffered { loader });
}

#[test]
fn the_other_kind_of_ovmf_is_sent_to_port_4011_and_answered_at_its_source() {
    let offer = words(&reply(proxy(&captures::OVMF_DISCOVER.bytes(), OTHER)));
    assert!(offer.contains(&"60 PXEClient".into()));
    assert!(
        !offer.iter().any(|option| option.starts_with("43 ")),
        "{offer:?}"
    );

    // The second leg: the REQUEST, now from an address, to this server.
    let mut second = captures::OVMF_REQUEST.bytes();
    second[12..16].copy_from_slice(&ip(77).octets());
    let source = SocketAddrV4::new(ip(77), BINL_PORT);
    let arrival = Arrival {
        source,
        ..arrival(BINL_PORT)
    };
    let request = Request::read(&second).unwrap();
    let decision = decide(&request, &arrival, &boots(), Role::Proxy, OTHER, HOUR);
    let reply = reply(decision);
    assert_eq!(reply.destination, Destination::Unicast(source));
    let loader = "snponly.efi".to_owned();
    assert_eq!(reply.answer, Answer::ProxyAcknowledged { loader });
    let words = words(&reply);
    for expected in [
        "ciaddr 10.0.0.77",
        "siaddr 10.0.0.1",
        "file snponly.efi",
        "53 05",
        "54 0a000001",
        "43 060108ff",
    ] {
        assert!(words.contains(&expected.into()), "{expected}: {words:?}");
    }
}

#[test]
fn port_4011_answers_bios_uefi_and_ipxe_in_both_roles() {
    for capture in [
        captures::BIOS_DISCOVER,
        captures::OVMF_DISCOVER,
        captures::IPXE_DISCOVER,
        captures::OVMF_HTTP_DISCOVER,
    ] {
        let request = Request::read(&capture.bytes()).unwrap();
        let network = SubnetOptions::new(HOUR);
        for role in [
            Role::Proxy,
            Role::Authoritative {
                options: &network,
                pool: &mut pool(),
            },
        ] {
            let reply = reply(decide(
                &request,
                &arrival(BINL_PORT),
                &boots(),
                role,
                USUAL,
                HOUR,
            ));
            assert!(words(&reply).contains(&"siaddr 10.0.0.1".into()));
        }
    }
    let plain = Request::read(&captures::PLAIN_DISCOVER.bytes()).unwrap();
    let decision = decide(
        &plain,
        &arrival(BINL_PORT),
        &boots(),
        Role::Proxy,
        USUAL,
        HOUR,
    );
    assert_eq!(reason(decision), Reason::NotNetworkBoot);
}

#[test]
fn the_main_servers_request_is_never_acknowledged_by_a_proxy() {
    let main = Some(Ipv4Addr::new(10, 0, 2, 2));
    for capture in [captures::OVMF_REQUEST, captures::IPXE_REQUEST] {
        let decision = proxy(&capture.bytes(), USUAL);
        assert_eq!(reason(decision), Reason::ForAnotherServer(main));
    }
}

#[test]
fn a_proxy_answers_requests_with_a_boot_item_or_its_identifier() {
    let mut ours = captures::OVMF_REQUEST.bytes();
    let id = 240 + 3;
    ours[id + 2..id + 6].copy_from_slice(&ip(1).octets());
    let answer = reply(proxy(&ours, USUAL)).answer;
    assert!(matches!(answer, Answer::ProxyAcknowledged { .. }));

    // The main server's identifier, but 43 = boot item 71: type 0, layer 0.
    let mut item = captures::OVMF_REQUEST.bytes();
    item.truncate(item.len() - 1);
    item.extend(captures::hex("2b07 470400000000 ff ff"));
    let answer = words(&reply(proxy(&item, USUAL)));
    assert!(
        answer.contains(&"43 060108470400000000ff".into()),
        "{answer:?}"
    );
}

#[test]
fn ovmf_without_another_server_gets_an_address_and_a_file() {
    let mut pool = pool();
    let offer = reply(dhcp(&captures::OVMF_DISCOVER.bytes(), &mut pool, USUAL));
    let address = pool.offer(offer.machine, None, HOUR).unwrap();
    assert_eq!(
        words(&offer),
        [
            "to Broadcast".to_owned(),
            "flags 0x8000".into(),
            format!("yiaddr {address}"),
            "siaddr 10.0.0.1".into(),
            "file snponly.efi".into(),
            "53 02".into(),
            "54 0a000001".into(),
            "51 00000e10".into(),
            "58 00000708".into(),
            "59 00000c4e".into(),
            "1 ffffff00".into(),
            UUID.into(),
            "67 snponly.efi".into(),
            "66 10.0.0.1".into(),
            "28 0a0000ff".into(),
        ]
    );
    assert_eq!(offer.client, Client::Pxe(Platform::EfiX64));
    let loader = BootFile::Named("snponly.efi".to_owned());
    assert_eq!(offer.answer, Answer::Offered { address, loader });

    // shim reads the file's name out of the ACK's header.
    let mut request = captures::OVMF_REQUEST.bytes();
    request[240 + 5..240 + 9].copy_from_slice(&ip(1).octets());
    request[240 + 11..240 + 15].copy_from_slice(&address.octets());
    let ack = reply(dhcp(&request, &mut pool, USUAL));
    assert!(matches!(ack.answer, Answer::Acknowledged { .. }));
    assert!(words(&ack).contains(&"file snponly.efi".into()));
}

#[test]
fn an_authoritative_reply_never_has_option_60_without_43() {
    for capture in [
        captures::OVMF_DISCOVER,
        captures::BIOS_DISCOVER,
        captures::IPXE_DISCOVER,
        captures::RASPBERRY_DISCOVER,
    ] {
        for strategy in [USUAL, OTHER] {
            let answer = reply(dhcp(&capture.bytes(), &mut pool(), strategy));
            let message = Message::read(&answer.packet).unwrap();
            let has = |code| message.options.bytes(code).is_some();
            assert_eq!(has(60), has(43), "{:?}", answer.answer);
        }
    }
}

#[test]
fn the_second_loader_is_handed_out_when_asked_for() {
    let second = Strategy {
        style: Style::Usual,
        loader: LoaderChoice::Second,
    };
    let answer = words(&reply(proxy(&captures::OVMF_DISCOVER.bytes(), second)));
    assert!(answer.contains(&"file ipxe.efi".into()));
    let answer = words(&reply(proxy(&captures::BIOS_DISCOVER.bytes(), second)));
    assert!(
        answer.contains(&"file undionly.kpxe".into()),
        "there is no second one"
    );
}

#[test]
fn the_signed_loader_is_handed_out_where_it_can_go_on() {
    let signed = Strategy {
        style: Style::Usual,
        loader: LoaderChoice::Signed,
    };
    let shim = "file images/debian/shimx64.efi";
    let lease = words(&reply(dhcp(
        &captures::OVMF_DISCOVER.bytes(),
        &mut pool(),
        signed,
    )));
    assert!(lease.contains(&shim.into()));
    // This one's GRUB does not heed a proxy, and speaks TFTP alone.
    let answer = |packet: &[u8]| words(&reply(proxy(packet, signed)));
    let ipxe = "file snponly.efi";
    assert!(answer(&captures::OVMF_DISCOVER.bytes()).contains(&ipxe.into()));
    let http = "file http://10.0.0.1:8080/snponly.efi";
    assert!(answer(&captures::OVMF_HTTP_DISCOVER.bytes()).contains(&http.into()));
    let bios = "file undionly.kpxe";
    assert!(answer(&captures::BIOS_DISCOVER.bytes()).contains(&bios.into()));
}

#[test]
fn ovmf_http_boot_gets_a_url_and_its_own_class_in_both_roles() {
    let offer = words(&reply(proxy(&captures::OVMF_HTTP_DISCOVER.bytes(), USUAL)));
    for expected in [
        "60 HTTPClient",
        "file http://10.0.0.1:8080/snponly.efi",
        "67 http://10.0.0.1:8080/snponly.efi",
    ] {
        assert!(offer.contains(&expected.into()), "{offer:?}");
    }
    assert!(!offer.iter().any(|option| option.starts_with("43 ")));
    let lease = words(&reply(dhcp(
        &captures::OVMF_HTTP_DISCOVER.bytes(),
        &mut pool(),
        USUAL,
    )));
    assert!(lease.contains(&"60 HTTPClient".into()));
}

#[test]
fn ipxe_gets_its_script_and_the_no_proxy_flag_only_from_its_dhcp_server() {
    let script = "file http://10.0.0.1:8080/boot/52-54-00-12-34-56.ipxe";
    let offer = reply(proxy(&captures::IPXE_DISCOVER.bytes(), USUAL));
    let offer = words(&offer);
    assert!(
        offer.contains(&script.into()) && offer.contains(&"60 PXEClient".into()),
        "{offer:?}"
    );
    assert!(
        !offer.iter().any(|option| option.starts_with("175 ")),
        "it would never look for us again"
    );

    let lease = reply(dhcp(&captures::IPXE_DISCOVER.bytes(), &mut pool(), USUAL));
    assert!(matches!(lease.destination, Destination::Ethernet { mac, .. } if mac == lease.machine));
    let lease = words(&lease);
    assert!(
        lease.contains(&script.into()) && lease.contains(&"175 b00101".into()),
        "{lease:?}"
    );
    assert!(
        lease.contains(&"61 01525400123456".into()),
        "RFC 6842: {lease:?}"
    );
}

#[test]
fn an_ipxe_without_http_gets_a_loader_that_has_it() {
    let mut bytes = captures::IPXE_DISCOVER.bytes();
    let http = bytes.windows(3).position(|w| w == [0x13, 1, 1]).unwrap();
    // An image format in its place: COMBOOT.
    bytes[http] = 0x23;
    assert_eq!(
        Client::of(&Request::read(&bytes).unwrap()),
        Client::IpxeWithoutHttp(Platform::Bios)
    );
    assert!(words(&reply(proxy(&bytes, USUAL))).contains(&"file undionly.kpxe".into()));
}

#[test]
fn a_bios_rom_gets_its_file_with_discovery_disabled() {
    let offer = words(&reply(proxy(&captures::BIOS_DISCOVER.bytes(), USUAL)));
    for expected in [
        "siaddr 10.0.0.1",
        "file undionly.kpxe",
        "60 PXEClient",
        "43 060108ff",
        UUID,
    ] {
        assert!(offer.contains(&expected.into()), "{expected}: {offer:?}");
    }
}

#[test]
fn a_rom_that_reads_option_67_up_to_a_zero_byte_reads_the_name_and_no_more() {
    for offer in [
        reply(proxy(&captures::BIOS_DISCOVER.bytes(), USUAL)),
        reply(dhcp(&captures::BIOS_DISCOVER.bytes(), &mut pool(), USUAL)),
    ] {
        let name = b"undionly.kpxe";
        let option = [&[67, 13][..], name, &[0]].concat();
        let mut places = offer.packet.windows(option.len());
        assert!(places.any(|place| place == option), "{:?}", words(&offer));
        let message = Message::read(&offer.packet).unwrap();
        assert_eq!(message.options.bytes(67), Some(&name[..]));
        assert_eq!(message.options.bytes(66), Some(&b"10.0.0.1"[..]));
    }
}

#[test]
fn a_raspberry_pi_gets_the_menu_that_its_rom_looks_for() {
    let request = Request::read(&captures::RASPBERRY_DISCOVER.bytes()).unwrap();
    assert_eq!(Client::of(&request), Client::RaspberryPi);
    let offer = reply(proxy(&captures::RASPBERRY_DISCOVER.bytes(), USUAL));
    let message = Message::read(&offer.packet).unwrap();
    let menu = message.options.bytes(43).unwrap();
    assert!(menu.windows(17).any(|w| w == b"Raspberry Pi Boot"));
    assert_eq!(message.options.bytes(66), Some(&b"10.0.0.1"[..]));

    // Another ROM with the same transaction is no Raspberry Pi.
    let mut other = captures::RASPBERRY_DISCOVER.bytes();
    other[28] = 0x52;
    assert_eq!(
        Client::of(&Request::read(&other).unwrap()),
        Client::Pxe(Platform::Bios)
    );
}

#[test]
fn a_plain_client_gets_an_address_from_the_dhcp_server_and_nothing_from_a_proxy() {
    let plain = captures::PLAIN_DISCOVER.bytes();
    assert_eq!(reason(proxy(&plain, USUAL)), Reason::NotNetworkBoot);
    let offer = reply(dhcp(&plain, &mut pool(), USUAL));
    let options = words(&offer);
    assert!(
        !options
            .iter()
            .any(|o| o.starts_with("file ") || o.starts_with("60 ")),
        "{options:?}"
    );
}

#[test]
fn a_proxy_reports_what_a_request_lacks() {
    let no_arch = with_options(&captures::BIOS_DISCOVER, "350101 3c09 505845436c69656e74");
    assert_eq!(reason(proxy(&no_arch, USUAL)), Reason::NoArchitecture);
    let arm = with_options(
        &captures::BIOS_DISCOVER,
        "350101 5d02000a 3c09 505845436c69656e74",
    );
    assert_eq!(
        reason(proxy(&arm, USUAL)),
        Reason::NoLoader(Platform::EfiArm32)
    );
    let alien = with_options(
        &captures::BIOS_DISCOVER,
        "350101 5d021234 3c09 505845436c69656e74",
    );
    assert_eq!(
        reason(proxy(&alien, USUAL)),
        Reason::NoLoader(Platform::Unknown(0x1234))
    );
    // As a DHCP server, it still assigns an address, and reports what is missing.
    let offer = reply(dhcp(&arm, &mut pool(), USUAL));
    assert!(
        matches!(
            offer.answer,
            Answer::Offered {
                loader: BootFile::NoLoader(Platform::EfiArm32),
                ..
            }
        ),
        "{:?}",
        offer.answer
    );
}

#[test]
fn option_93_may_list_several_architectures() {
    // EBC first, as on some machines, or an unknown architecture.
    for list in ["5d0400090007", "5d0412340007"] {
        let bytes = with_options(
            &captures::OVMF_DISCOVER,
            &format!("350101 {list} 3c09 505845436c69656e74"),
        );
        assert!(
            words(&reply(proxy(&bytes, USUAL))).contains(&"file snponly.efi".into()),
            "{list}"
        );
    }
}
