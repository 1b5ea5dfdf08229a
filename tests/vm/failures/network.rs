//! Failures from the NIC to the server's address.

use anyhow::Result;
use netroot_harness::{Dnsmasq, Nic};

use super::assert_fails_with;
use crate::lan::{Lan, MACHINE, SERVER, STATIC};

/// A root on the server in this network.
fn root_here() -> String {
    format!("root=/dev/nfs nfsroot={SERVER}:/srv/root,vers=3")
}

/// A root in another network, for a machine with this address and router.
fn root_elsewhere(router: &str) -> String {
    let ip = format!("ip=10.77.0.50::{router}:255.255.255.0::eth0:off");
    format!("root=/dev/nfs nfsroot=10.99.0.1:/srv/root,vers=3 {ip}")
}

#[test]
fn a_nic_without_a_driver_in_the_initrd_is_reported_by_its_pci_id() -> Result<()> {
    let lan = Lan::new("no-driver")?;
    let card = Nic::model("e1000e", &lan.tap, MACHINE);
    let mut vm = lan.boot_with(
        lan.machine().nic(card),
        &format!("{} ip=dhcp rd.net.timeout.iflink=5", root_here()),
    )?;
    let sentence = "no network card: none appeared within 5 s; the initrd has no driver for PCI device 8086:10d3";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn an_unplugged_cable_is_reported_with_its_nic() -> Result<()> {
    let lan = Lan::new("no-cable")?;
    let line = format!("{} ip=dhcp carrier_timeout=8", root_here());
    let mut vm = lan.boot(&line)?;
    vm.cable(0, false)?;
    let sentence = "no carrier: nothing is at the other end of eth0 after 8 s";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_missing_nic_is_reported_with_those_present() -> Result<()> {
    let lan = Lan::new("other-card")?;
    let line = format!(
        "{} ip=10.77.0.50:::255.255.255.0::eth7:off carrier_timeout=5",
        root_here()
    );
    let mut vm = lan.boot(&line)?;
    let sentence = "the command line names none of those that are there (eth0 alias en";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_dhcp_timeout_is_reported_with_the_nic() -> Result<()> {
    let lan = Lan::new("no-dhcp")?;
    let mut vm = lan.boot(&format!("{} ip=dhcp rd.net.timeout.dhcp=10", root_here()))?;
    assert_fails_with(&mut vm, "no DHCP server answered on eth0")
}

#[test]
fn a_kernel_without_packet_sockets_is_reported_instead_of_a_silent_dhcp_server() -> Result<()> {
    let lan = Lan::new("no-packet-sockets")?;
    // The distribution's kernel has them built in: it leaves out what sets them up.
    let line = format!("{} ip=dhcp initcall_blacklist=packet_init", root_here());
    let mut vm = lan.boot(&line)?;
    let sentence = "no address: the kernel has no packet sockets, which DHCP needs; add af_packet to the initrd (netroot initrd), enable CONFIG_PACKET in the kernel";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_lease_without_a_root_is_reported_with_the_ways_to_configure_one() -> Result<()> {
    let lan = Lan::new("no-root")?;
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.149", &[])?;
    let mut vm = lan.boot("root=dhcp ip=dhcp")?;
    let sentence = "no root: neither the command line nor DHCP option 17 names a root; give root=nfs:<server>:/<path>, or set option 17 (root-path) on the DHCP server";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_server_in_another_network_needs_a_router() -> Result<()> {
    let lan = Lan::new("no-route")?;
    let mut vm = lan.boot(&root_elsewhere(""))?;
    let sentence = "there is no route from 10.77.0.50 to 10.99.0.1, which is in another network; configure a router";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn an_absent_router_is_reported_instead_of_the_server() -> Result<()> {
    let lan = Lan::new("dead-router")?;
    let mut vm = lan.boot(&root_elsewhere("10.77.0.254"))?;
    let sentence = "; the router 10.77.0.254 does not even answer ARP";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_router_outside_the_subnet_is_reported() -> Result<()> {
    let lan = Lan::new("far-router")?;
    let mut vm = lan.boot(&root_elsewhere("10.88.0.1"))?;
    let sentence = "; the router 10.88.0.1 is not in this machine's own network";
    assert_fails_with(&mut vm, sentence)
}

#[test]
fn a_silent_server_is_distinguished_from_a_silent_router() -> Result<()> {
    let lan = Lan::new("behind-router")?;
    // It accepts packets and forwards none.
    lan.net
        .shell("echo 0 > /proc/sys/net/ipv4/ip_forward; ip route add blackhole 10.99.0.0/16")?;
    let mut vm = lan.boot(&root_elsewhere(SERVER))?;
    let sentence = format!(
        "nothing answers at 10.99.0.1 port 111 (portmapper); the router {SERVER} is up (it answers ARP)"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn an_absent_server_is_reported() -> Result<()> {
    let lan = Lan::new("dead-server")?;
    let mut vm = lan.boot(&format!(
        "root=/dev/nfs nfsroot=10.77.0.77:/srv/root {STATIC}"
    ))?;
    let sentence =
        "nothing answers at 10.77.0.77 port 111 (portmapper); 10.77.0.77 does not even answer ARP";
    assert_fails_with(&mut vm, sentence)
}
