//! Our ProxyDHCP beside a DHCP server on another machine: dnsmasq, Kea and ISC dhcpd without PXE options, and a server
//! that keeps machines from booting.

use anyhow::Result;
use netroot_harness::{
    BootPart, Dnsmasq, Firmware, ForeignDhcp, IscServer, Net, Nic, Rom, TinyRoot, VmBuilder,
};

use crate::lan::{Facts, Lan, MACHINE, TIMEOUT};

fn boots_beside_a_router(
    name: &str,
    machine: impl FnOnce(VmBuilder<'_>, Nic) -> VmBuilder<'_>,
) -> Result<()> {
    let lan = Lan::new(name)?;
    let router = Net::new(&format!("{name}-router"))?;
    lan.net
        .cable(&lan.bridge, &router, "lan", "10.77.0.254/24")?;
    let options = ["--dhcp-option=3,10.77.0.254", "--dhcp-option=6,10.77.0.254"];
    let dnsmasq = Dnsmasq::start(&router, "lan", "10.77.0.100", "10.77.0.199", &options)?;
    let root = TinyRoot::make()?;
    let server = lan.serve_beside(root.path())?;
    let vm = machine(lan.machine(), Nic::virtio(&lan.tap, MACHINE)).start()?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    // The token of the script that it fetched, from the address that the main server gave it.
    let booted = server
        .output()
        .wait_for("root mounted ", "its report", TIMEOUT)?;
    assert!(booted.line.contains(MACHINE), "{}", booted.line);
    // Address and router come from the main server, the rest from ours.
    assert!(dnsmasq.log().contains("DHCPACK(lan) 10.77.0."));
    assert!(
        facts.all("resolv.conf").contains("10.77.0.254"),
        "{}",
        facts.all("resolv.conf")
    );
    let leased = server
        .events()
        .into_iter()
        .any(|(_, event)| event.kind == "dhcp-ack");
    assert!(!leased, "a proxy leased an address: {:#?}", server.events());
    Ok(())
}

#[test]
fn ipxe_boots_beside_a_router_without_pxe() -> Result<()> {
    boots_beside_a_router("proxy-ipxe", |machine, nic| {
        machine.nic(nic.with_rom(Rom::Ipxe))
    })
}

#[test]
fn uefi_boots_beside_a_router_without_pxe() -> Result<()> {
    boots_beside_a_router("proxy-uefi", |machine, nic| {
        machine.firmware(Firmware::Uefi).nic(nic)
    })
}

#[test]
fn uefi_boots_by_http_beside_a_router_without_pxe() -> Result<()> {
    boots_beside_a_router("proxy-uefi-http", |machine, nic| {
        machine.firmware(Firmware::UefiHttp).nic(nic)
    })
}

const ADDRESSES: (&str, &str, &str) = ("10.77.0.100", "10.77.0.199", "10.77.0.254");

fn boots_beside(
    name: &str,
    server: IscServer,
    machine: impl FnOnce(VmBuilder<'_>, Nic) -> VmBuilder<'_>,
) -> Result<()> {
    let lan = Lan::new(name)?;
    let router = Net::new(&format!("{name}-router"))?;
    lan.net
        .cable(&lan.bridge, &router, "lan", "10.77.0.254/24")?;
    let other = ForeignDhcp::start(server, &router, "lan", ADDRESSES, BootPart::Nothing)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = machine(lan.machine(), Nic::virtio(&lan.tap, MACHINE)).start()?;
    Facts::of(&vm)?.assert_overlay();
    assert!(other.has_acknowledged(), "{}", other.log().text());
    Ok(())
}

#[test]
fn ipxe_boots_beside_kea() -> Result<()> {
    boots_beside("proxy-kea-ipxe", IscServer::Kea, |machine, nic| {
        machine.nic(nic.with_rom(Rom::Ipxe))
    })
}

#[test]
fn uefi_boots_beside_kea() -> Result<()> {
    boots_beside("proxy-kea-uefi", IscServer::Kea, |machine, nic| {
        machine.firmware(Firmware::Uefi).nic(nic)
    })
}

#[test]
fn ipxe_boots_beside_isc_dhcpd() -> Result<()> {
    boots_beside("proxy-dhcpd-ipxe", IscServer::Dhcpd, |machine, nic| {
        machine.nic(nic.with_rom(Rom::Ipxe))
    })
}

#[test]
fn uefi_boots_beside_isc_dhcpd() -> Result<()> {
    boots_beside("proxy-dhcpd-uefi", IscServer::Dhcpd, |machine, nic| {
        machine.firmware(Firmware::Uefi).nic(nic)
    })
}

#[test]
fn uefi_beside_a_server_that_claims_to_boot_stops_and_both_are_told_of() -> Result<()> {
    let lan = Lan::new("proxy-option-60")?;
    let router = Net::new("proxy-option-60-router")?;
    lan.net
        .cable(&lan.bridge, &router, "lan", "10.77.0.254/24")?;
    let part = BootPart::Option60;
    let _kea = ForeignDhcp::start(IscServer::Kea, &router, "lan", ADDRESSES, part)?;
    let root = TinyRoot::make()?;
    let server = lan.serve_beside(root.path())?;
    let told = server
        .output()
        .wait_for("dhcp-claims-boot", "the warning", TIMEOUT)?;
    assert!(told.line.contains("10.77.0.254") && told.line.contains("Kea: remove"));
    let nic = Nic::virtio(&lan.tap, MACHINE);
    let vm = lan.machine().firmware(Firmware::Uefi).nic(nic).start()?;
    vm.wait_for("PXE-E16: ", "the firmware's own words", TIMEOUT)?;
    // It would go on with IPv6, and poll the card for half a minute.
    drop(vm);
    let stopped = server
        .output()
        .wait_for("boot-stopped", "the machine's end", TIMEOUT)?;
    assert!(
        stopped.line.contains(MACHINE) && stopped.line.contains("option 60"),
        "{}",
        stopped.line
    );
    Ok(())
}
