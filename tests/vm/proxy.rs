//! Our ProxyDHCP beside a DHCP server on another machine, dnsmasq without PXE options. `check/foreign_dhcp.rs` boots machines
//! beside Kea and ISC dhcpd, and beside servers that say something of booting.

use anyhow::Result;
use netroot_harness::{Dnsmasq, Firmware, Net, Nic, Rom, TinyRoot, VmBuilder};

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
