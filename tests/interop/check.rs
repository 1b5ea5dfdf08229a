//! `netroot check` on networks with other servers: who is heard, what is foretold, and what is to be done.

mod cures;
mod host;
mod interfaces;
mod lab;

use anyhow::Result;
use netroot_harness::{BootPart, Dnsmasq, ForeignDhcp, IscServer, Net, NetrootServe, TinyRoot};

use self::lab::{Checked, HOST, Lab, ROUTER, list, text};

const FIRMWARE: [&str; 5] = [
    "bios-pxe",
    "uefi-x64-pxe",
    "uefi-x64-http-boot",
    "ipxe-bios",
    "ipxe-uefi-x64",
];

#[test]
fn beside_a_router_that_knows_nothing_everything_boots_from_netroot_and_no_lease_is_taken()
-> Result<()> {
    let lab = Lab::new("check-router")?;
    let dnsmasq = lab.dnsmasq(&["--dhcp-option=3,10.77.0.254"])?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.server(ROUTER, "dhcp"), Some(true));
    assert_eq!(checked.server(ROUTER, "netroot"), Some(false));
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    checked.assert_machine("operating-system", "address", ROUTER, "address");
    assert!(checked.troubles().is_empty(), "{:#}", checked.said);
    let log = dnsmasq.log();
    assert!(log.contains("DHCPOFFER"), "{}", log.text());
    assert!(!log.contains("DHCPREQUEST"), "{}", log.text());
    assert!(checked.fine, "{:#}", checked.said);
    Ok(())
}

#[test]
fn a_router_with_a_file_of_its_own_is_named_with_the_line_to_remove() -> Result<()> {
    let lab = Lab::new("check-file")?;
    let _dnsmasq = lab.dnsmasq(&["--dhcp-boot=pxelinux.0"])?;
    let checked = lab.check(&["--product", "dnsmasq"])?;
    assert_eq!(checked.troubles(), ["names-file"]);
    let cure = checked.cure();
    assert!(cure.starts_with("dhcp-boot=pxelinux.0"), "{cure}");
    // UEFI prefers the proxy; the iPXE that it loads does not.
    checked.assert_machine("uefi-x64-pxe", "loads", HOST, "other");
    // Nobody serves the file there.
    checked.assert_machine("ipxe-bios", "loads", ROUTER, "fails");
    assert!(!checked.fine);
    Ok(())
}

#[test]
fn a_router_with_option_60_is_named_with_what_machines_show() -> Result<()> {
    let lab = Lab::new("check-option-60")?;
    let _dnsmasq = lab.dnsmasq(&["--dhcp-option-force=60,PXEClient"])?;
    let checked = lab.check(&["--product", "openwrt"])?;
    assert_eq!(checked.troubles(), ["claims-boot"]);
    assert_eq!(checked.server(ROUTER, "port-4011"), Some(false));
    let cure = checked.cure();
    assert!(cure.contains("dhcp_option='60,PXEClient'"), "{cure}");
    for machine in ["bios-pxe", "uefi-x64-pxe"] {
        checked.assert_machine(machine, "boot-server-silent", ROUTER, "fails");
    }
    checked.assert_machine("ipxe-uefi-x64", "nothing-to-boot", ROUTER, "fails");
    Ok(())
}

#[test]
fn a_router_whose_maker_is_known_has_its_products_cure_first() -> Result<()> {
    let lab = Lab::new("check-maker")?;
    lab.router
        .shell("ip link set lan address 4c:5e:0c:01:02:03")?;
    let _dnsmasq = lab.dnsmasq(&["--dhcp-boot=pxelinux.0"])?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.troubles(), ["names-file"]);
    let server = list(&checked.said, "servers").first();
    let probably = server.map(|one| text(one, "probably"));
    assert_eq!(probably, Some("mikrotik"), "{:#}", checked.said);
    let troubles = list(&checked.said, "network").iter();
    let cures = troubles.flat_map(|one| list(one, "cures"));
    let products: Vec<&str> = cures.map(|cure| text(cure, "product")).collect();
    // It may be something else all the same.
    assert!(
        products.starts_with(&["mikrotik", "dnsmasq"]),
        "{products:?}"
    );
    assert!(products.contains(&"windows-server"), "{products:?}");
    Ok(())
}

#[test]
fn another_proxy_with_a_menu_is_followed_to_its_file() -> Result<()> {
    let lab = Lab::new("check-proxy")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let other = Net::new("check-proxy-other")?;
    lab.net
        .cable(&lab.bridge, &other, "other", "10.77.0.9/24")?;
    let files = lab.net.logs().join("tftp");
    std::fs::create_dir_all(&files)?;
    std::fs::write(files.join("undionly.0"), "a loader")?;
    let _proxy = Dnsmasq::proxy(&other, "other", &files, &["x86PC,Boot,undionly"])?;
    let checked = lab.check(&["--product", "dnsmasq"])?;
    assert_eq!(checked.troubles(), ["second-proxy"], "{:#}", checked.said);
    assert_eq!(checked.server("10.77.0.9", "dhcp"), Some(false));
    assert_eq!(checked.server("10.77.0.9", "port-4011"), Some(true));
    // It answers BIOS machines only.
    let server = checked.machine("uefi-x64-pxe").map(|(_, server, _)| server);
    assert_eq!(server, Some(HOST));
    Ok(())
}

#[test]
fn the_netroot_of_this_host_and_one_elsewhere_are_heard() -> Result<()> {
    let lab = Lab::new("check-netroot")?;
    let _dnsmasq = lab.dnsmasq(&[])?;
    let before = lab.check(&[])?;
    let root = TinyRoot::make()?;
    let here = ["--interface", "br0", "--modules", "virtio_net"];
    let _here = NetrootServe::start(&lab.net, root.path(), &here)?;
    let checked = lab.check(&[])?;
    for member in ["netroot", "here"] {
        assert_eq!(checked.server(HOST, member), Some(true), "{member}");
    }
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    checked.assert_machine("init", "root", HOST, "netroot");
    assert!(checked.troubles().is_empty(), "{:#}", checked.said);
    // What netroot has nothing for is as good as before it serves.
    let levels = |checked: &Checked| -> Vec<String> {
        let machines = list(&checked.said, "machines").iter();
        let of = |one| format!("{}: {}", text(one, "machine"), text(one, "level"));
        machines.map(of).collect()
    };
    assert_eq!(levels(&checked), levels(&before), "{:#}", checked.said);
    let notes = checked.host("port", "note");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("serves on this host already")),
        "{notes:?}"
    );
    assert!(checked.fine, "{:#}", checked.said);

    let elsewhere = Net::new("check-netroot-elsewhere")?;
    lab.net
        .cable(&lab.bridge, &elsewhere, "eth0", "10.77.0.7/24")?;
    let there = [
        "--interface",
        "eth0",
        "--modules",
        "virtio_net",
        "--no-probe",
    ];
    let _there = NetrootServe::start(&elsewhere, root.path(), &there)?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.server("10.77.0.7", "netroot"), Some(true));
    assert_eq!(checked.server("10.77.0.7", "here"), Some(false));
    assert_eq!(checked.troubles(), ["second-proxy"]);
    Ok(())
}

#[test]
fn without_a_dhcp_server_the_range_to_give_is_told() -> Result<()> {
    let lab = Lab::new("check-nobody")?;
    let checked = lab.check(&[])?;
    assert_eq!(checked.troubles(), ["no-address"]);
    for machine in FIRMWARE {
        checked.assert_machine(machine, "no-address", "", "fails");
    }
    let line = &checked.said["network"][0]["cure"][0];
    assert_eq!(
        line,
        "netroot serve DIR --interface br0 --dhcp 10.77.0.100-10.77.0.200"
    );
    assert!(!checked.fine);
    // With that range.
    let checked = lab.check(&["--dhcp", "10.77.0.100-10.77.0.200"])?;
    for machine in FIRMWARE {
        checked.assert_machine(machine, "loads", HOST, "netroot");
    }
    assert!(checked.fine, "{:#}", checked.said);
    Ok(())
}

/// Kea or ISC dhcpd on the router, in each of three ways.
fn beside(server: IscServer, product: &str, [file, class]: [&str; 2]) -> Result<()> {
    let parts = [BootPart::Nothing, BootPart::OwnFile, BootPart::Option60];
    for part in parts {
        let lab = Lab::new(&format!("check-{product}-{part:?}"))?;
        let addresses = ("10.77.0.100", "10.77.0.199", ROUTER);
        let foreign = ForeignDhcp::start(server, &lab.router, "lan", addresses, part)?;
        let checked = lab.check(&["--product", product])?;
        let trouble = match part {
            BootPart::Nothing => None,
            BootPart::OwnFile => Some(("names-file", file)),
            BootPart::Option60 => Some(("claims-boot", class)),
        };
        let about: Vec<&str> = trouble.iter().map(|(about, _)| *about).collect();
        assert_eq!(checked.troubles(), about, "{part:?}: {:#}", checked.said);
        if let Some((_, line)) = trouble {
            assert!(checked.cure().contains(line), "{}", checked.cure());
        }
        let outcome = checked.machine("ipxe-uefi-x64").map(|(.., boots)| boots);
        let boots = if trouble.is_none() {
            "netroot"
        } else {
            "fails"
        };
        assert_eq!(outcome, Some(boots), "{part:?}: {:#}", checked.said);
        assert!(!foreign.has_acknowledged(), "a lease was taken");
        assert_eq!(checked.fine, trouble.is_none());
    }
    Ok(())
}

#[test]
fn kea_is_heard_and_mended_by_its_own_lines() -> Result<()> {
    let lines = [
        "\"boot-file-name\": \"elsewhere.efi\"",
        "\"name\": \"vendor-class-identifier\", \"data\": \"PXEClient\"",
    ];
    beside(IscServer::Kea, "kea", lines)
}

#[test]
fn isc_dhcpd_is_heard_and_mended_by_its_own_lines() -> Result<()> {
    let lines = [
        "filename \"elsewhere.efi\";",
        "option vendor-class-identifier \"PXEClient\";",
    ];
    beside(IscServer::Dhcpd, "isc-dhcpd", lines)
}
