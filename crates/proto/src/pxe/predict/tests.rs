//! A row of what is known of each firmware is a test: measured with OVMF and iPXE in QEMU, or read in their source.

use super::*;
use crate::dhcp::MessageType;
use crate::pxe::offer::Discovery;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const UEFI: Asker = Asker::Firmware(7);
const HTTP: Asker = Asker::Firmware(16);
const BIOS: Asker = Asker::Firmware(0);
const IPXE: Asker = Asker::Ipxe(7);

/// A DHCP server that knows nothing of PXE.
fn router() -> Offer {
    Offer {
        server: ROUTER,
        server_id: Some(ROUTER),
        source: ROUTER,
        kind: Some(MessageType::Offer),
        address: Some(Ipv4Addr::new(10, 0, 0, 100)),
        next_server: None,
        server_name: None,
        file: None,
        class: None,
        discovery: Discovery::default(),
        root_path: None,
        configuration: None,
        routers: vec![ROUTER],
        name_servers: Vec::new(),
        lease_time: Some(3600),
        mtu: None,
        no_proxy: false,
    }
}

fn with_class(offer: Offer) -> Offer {
    Offer {
        class: Some(b"PXEClient".to_vec()),
        ..offer
    }
}

fn naming(offer: Offer, file: &str) -> Offer {
    Offer {
        next_server: Some(offer.server),
        file: Some(file.as_bytes().to_vec()),
        ..offer
    }
}

/// netroot beside it: option 60, 43.6 = 8, siaddr and a file.
fn proxy(file: &str) -> Offer {
    let offer = Offer {
        server: PROXY,
        server_id: Some(PROXY),
        source: PROXY,
        address: None,
        discovery: Discovery {
            control: Some(8),
            present: true,
            ..Discovery::default()
        },
        ..router()
    };
    with_class(naming(offer, file))
}

/// The same without option 43.
fn binl(file: &str) -> Offer {
    Offer {
        discovery: Discovery::default(),
        ..proxy(file)
    }
}

fn http(server: Offer, url: &str) -> Offer {
    Offer {
        class: Some(b"HTTPClient".to_vec()),
        ..naming(server, url)
    }
}

fn answering(offer: Offer) -> BootServer {
    BootServer {
        asked: offer.boot_server(),
        item: None,
        answer: Some(offer),
    }
}

/// Who names the file that is loaded, and the file.
fn loaded(asker: Asker, offers: &[Offer], boot_servers: &[BootServer]) -> (Ipv4Addr, String) {
    match predict(asker, offers, boot_servers).outcome {
        Outcome::Loads { server, file, .. } => (server, file),
        other => panic!("{asker}: {other:?}"),
    }
}

fn fails(asker: Asker, offers: &[Offer]) -> (&'static str, Option<&'static str>) {
    let prediction = predict(asker, offers, &[]);
    (prediction.outcome.word(), prediction.screen)
}

const E16: Option<&str> = Some("PXE-E16: No valid offer received.");

#[test]
fn without_option_43_uefi_asks_port_4011() {
    let offers = [router(), binl("snponly.efi")];
    let answer = answering(proxy("snponly.efi"));
    assert_eq!(
        loaded(UEFI, &offers, &[answer]),
        (PROXY, "snponly.efi".into())
    );
    assert_eq!(fails(UEFI, &offers), ("boot-server-silent", E16));
}

#[test]
fn with_43_6_uefi_needs_no_port_4011() {
    let offers = [router(), proxy("snponly.efi")];
    assert_eq!(loaded(UEFI, &offers, &[]).0, PROXY);
    // In whichever order they come.
    assert_eq!(
        loaded(UEFI, &[proxy("snponly.efi"), router()], &[]).0,
        PROXY
    );
}

#[test]
fn without_siaddr_uefi_loads_from_the_server_itself() {
    let no_next = Offer {
        next_server: None,
        ..proxy("snponly.efi")
    };
    match predict(UEFI, &[router(), no_next], &[]).outcome {
        Outcome::Loads { from, .. } => assert_eq!(from, Some(PROXY)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn uefi_ignores_an_offer_without_option_54_or_60() {
    let anonymous = Offer {
        server_id: None,
        ..proxy("snponly.efi")
    };
    let classless = Offer {
        class: None,
        ..proxy("snponly.efi")
    };
    for ignored in [anonymous, classless] {
        assert_eq!(fails(UEFI, &[router(), ignored]), ("nothing-to-boot", E16));
    }
}

#[test]
fn an_authoritative_server_with_option_60_alone_fails_and_without_it_boots() {
    let alone = naming(router(), "snponly.efi");
    assert_eq!(loaded(UEFI, std::slice::from_ref(&alone), &[]).0, ROUTER);
    assert_eq!(
        fails(UEFI, &[with_class(alone.clone())]),
        ("boot-server-silent", E16)
    );
    let direct = Offer {
        discovery: Discovery {
            control: Some(8),
            present: true,
            ..Discovery::default()
        },
        ..with_class(alone)
    };
    assert_eq!(loaded(UEFI, &[direct], &[]).0, ROUTER);
}

#[test]
fn a_routers_own_file_loses_to_a_proxy_for_uefi_and_wins_for_ipxe() {
    let offers = [naming(router(), "pxelinux.0"), proxy("snponly.efi")];
    assert_eq!(loaded(UEFI, &offers, &[]), (PROXY, "snponly.efi".into()));
    assert_eq!(loaded(BIOS, &offers, &[]).0, PROXY);
    let offers = [
        naming(router(), "pxelinux.0"),
        proxy("http://10.0.0.1:8069/boot/x.ipxe"),
    ];
    assert_eq!(loaded(IPXE, &offers, &[]), (ROUTER, "pxelinux.0".into()));
}

#[test]
fn a_router_with_option_60_keeps_a_proxy_out() {
    let offers = [with_class(router()), proxy("snponly.efi")];
    assert_eq!(fails(UEFI, &offers), ("boot-server-silent", E16));
    assert_eq!(
        fails(BIOS, &offers),
        (
            "boot-server-silent",
            Some("PXE-E55: ProxyDHCP service did not reply to request on port 4011")
        )
    );
    // HTTP boot has a class of its own.
    let url = "http://10.0.0.1:8069/snponly.efi";
    let offers = [with_class(router()), http(proxy(url), url)];
    assert_eq!(loaded(HTTP, &offers, &[]).0, PROXY);
}

#[test]
fn ipxe_takes_a_router_with_option_60_for_the_proxy() {
    let script = "http://10.0.0.1:8069/boot/x.ipxe";
    let first = [with_class(router()), proxy(script)];
    assert_eq!(
        fails(IPXE, &first),
        ("nothing-to-boot", Some("Nothing to boot"))
    );
    // The router's offer replaces the proxy's also where that came first.
    let second = [proxy(script), with_class(router())];
    assert_eq!(fails(IPXE, &second).0, "nothing-to-boot");
}

#[test]
fn ipxe_asks_port_4011_only_where_the_offer_lacks_a_server_or_a_file() {
    let script = "http://10.0.0.1:8069/boot/x.ipxe";
    let whole = [router(), binl(script)];
    assert_eq!(loaded(IPXE, &whole, &[]).0, PROXY);
    let empty = Offer {
        file: None,
        ..binl("")
    };
    let offers = [router(), empty];
    assert_eq!(fails(IPXE, &offers).0, "nothing-to-boot");
    assert_eq!(loaded(IPXE, &offers, &[answering(binl(script))]).0, PROXY);
}

#[test]
fn ipxe_that_is_told_so_waits_for_no_proxy() {
    let only = Offer {
        no_proxy: true,
        ..naming(router(), "http://10.0.0.254/boot.ipxe")
    };
    assert_eq!(loaded(IPXE, &[only, proxy("x")], &[]).0, ROUTER);
    let without_file = Offer {
        no_proxy: true,
        ..router()
    };
    let outcome = predict(IPXE, &[without_file, proxy("x")], &[]).outcome;
    assert!(outcome.because().contains("no-pxedhcp"), "{outcome}");
}

#[test]
fn ipxe_has_no_server_for_a_name_where_siaddr_is_0() {
    let named = Offer {
        file: Some(b"pxelinux.0".to_vec()),
        ..router()
    };
    assert_eq!(fails(IPXE, &[named]).0, "no-file-server");
}

#[test]
fn http_boot_takes_a_url_with_an_address_from_a_proxy_or_the_dhcp_server() {
    let url = "http://10.0.0.1:8069/snponly.efi";
    let offers = [router(), http(proxy(url), url)];
    assert_eq!(loaded(HTTP, &offers, &[]), (PROXY, url.into()));
    let own = "http://10.0.0.254/boot.efi";
    let offers = [http(proxy(url), url), http(router(), own)];
    assert_eq!(loaded(HTTP, &offers, &[]), (ROUTER, own.into()));
    // A file name, a URL without the class, or a host that nobody resolves is none.
    for offer in [
        http(router(), "boot.efi"),
        naming(router(), own),
        http(router(), "http://boot.example/boot.efi"),
    ] {
        assert_eq!(fails(HTTP, &[offer]).0, "nothing-to-boot");
    }
    let resolved = Offer {
        name_servers: vec![ROUTER],
        ..http(router(), "http://boot.example/boot.efi")
    };
    assert_eq!(loaded(HTTP, &[resolved], &[]).0, ROUTER);
}

#[test]
fn the_first_entry_of_a_menu_is_asked_for_on_port_4011() {
    let menu = Offer {
        discovery: Discovery {
            control: Some(3),
            present: true,
            menu: vec![(0x8000, b"Run".to_vec())],
            servers: vec![(0x8000, PROXY)],
        },
        file: None,
        ..binl("")
    };
    let offers = [router(), menu.clone()];
    assert_eq!(
        boot_requests(&offers),
        [None, Some(0x8000)].map(|item| BootRequest {
            server: PROXY,
            item
        })
    );
    let answer = BootServer {
        asked: PROXY,
        item: Some(0x8000),
        answer: Some(binl("undionly.0")),
    };
    for asker in [UEFI, BIOS, IPXE] {
        let answers = [answer.clone()];
        assert_eq!(
            loaded(asker, &offers, &answers),
            (PROXY, "undionly.0".into())
        );
        assert_eq!(fails(asker, &offers).0, "boot-server-silent");
    }
    // Only netroot's menu has the entry that a Raspberry Pi looks for.
    assert_eq!(fails(Asker::RaspberryPi, &offers).0, "nothing-to-boot");
    let mut pi = menu;
    pi.discovery.menu = vec![(0, b"Raspberry Pi Boot".to_vec())];
    assert_eq!(loaded(Asker::RaspberryPi, &[router(), pi], &[]).0, PROXY);
}

#[test]
fn proxies_alone_and_silence_give_no_address() {
    let alone = [proxy("snponly.efi")];
    let e52 = Some("PXE-E52: proxyDHCP offers were received. No DHCP offers were received");
    assert_eq!(fails(BIOS, &alone), ("no-address", e52));
    assert_eq!(fails(UEFI, &alone), ("no-address", E16));
    assert_eq!(fails(UEFI, &[]), ("no-address", E16));
    assert_eq!(fails(IPXE, &alone).0, "no-address");
    assert_eq!(fails(HTTP, &alone).0, "no-address");
    assert_eq!(fails(Asker::Plain, &[]).0, "no-address");
}

#[test]
fn a_router_alone_leaves_everybody_without_a_file() {
    let e53 = Some("PXE-E53: No boot filename received");
    assert_eq!(fails(BIOS, &[router()]), ("nothing-to-boot", e53));
    assert_eq!(fails(UEFI, &[router()]), ("nothing-to-boot", E16));
    assert_eq!(fails(IPXE, &[router()]).0, "nothing-to-boot");
    assert_eq!(fails(HTTP, &[router()]).0, "nothing-to-boot");
    let plain = predict(Asker::Plain, &[router()], &[]);
    assert_eq!(plain.outcome.to_string(), "gets 10.0.0.100 from 10.0.0.254");
}

#[test]
fn a_nak_is_no_offer() {
    let nak = Offer {
        kind: Some(MessageType::Nak),
        ..naming(router(), "x")
    };
    assert_eq!(fails(UEFI, &[nak]).0, "no-address");
}

#[test]
fn the_init_prefers_an_offer_with_a_root() {
    let root = Offer {
        address: None,
        class: Some(crate::dhcp::INIT_VENDOR_CLASS.to_vec()),
        root_path: Some(b"10.0.0.1:/debian".to_vec()),
        ..proxy("")
    };
    let found = predict(Asker::Init, &[router(), root], &[]).outcome;
    assert_eq!(
        found.to_string(),
        "finds its root 10.0.0.1:/debian by 10.0.0.1"
    );
    assert_eq!(fails(Asker::Init, &[router()]).0, "address");
}

#[test]
fn an_outcome_is_told_with_its_reason() {
    let offers = [with_class(router()), proxy("snponly.efi")];
    assert_eq!(
        predict(UEFI, &offers, &[]).outcome.to_string(),
        "waits for port 4011 of 10.0.0.254, which does not answer: it gives the address and says that it is a boot \
         server (option 60), so that only its own port 4011 is asked"
    );
}
