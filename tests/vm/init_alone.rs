//! The init alone: QEMU loads kernel, initrd and command line, and of our server only the
//! export is used.

use std::path::Path;

use anyhow::{Context, Result};
use netroot_harness::{Clients, Dnsmasq, Ganesha, Nic, TinyRoot, Vm};

use crate::failures::assert_fails_with;
use crate::lan::{Facts, Lan, MACHINE, SERVER, STATIC, TIMEOUT, own_export};

#[test]
fn an_export_without_a_portmapper_is_mounted_without_port_options() -> Result<()> {
    let lan = Lan::new("no-portmapper")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let own = own_export(root.path())?;
    let (nfsroot, _ports) = own.split_once(',').context("options")?;
    let vm = lan.boot(&format!("{nfsroot} ip=dhcp ro"))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn dnsmasq_alone_names_the_root_by_option_17() -> Result<()> {
    let lan = Lan::new("option-17")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let root_path = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let options = [
        root_path.as_str(),
        "--dhcp-option=3,10.77.0.254",
        "--dhcp-option=6,10.77.0.2,10.77.0.3",
        "--dhcp-option=12,leased-name",
        "--dhcp-option=15,example.org",
        "--dhcp-option=26,1400",
        "--dhcp-option=119,a.example.org,b.example.org",
        // RFC 3442: with 121 present, 3 is not used.
        "--dhcp-option=121,192.0.2.0/24,10.77.0.9,0.0.0.0/0,10.77.0.253",
    ];
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let vm = lan.boot("root=/dev/nfs ip=dhcp ro")?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    vm.wait_for(
        &format!("netroot: root {SERVER}:/srv/root ("),
        "where the root came from",
        TIMEOUT,
    )?;
    assert_eq!(facts.all("hostname"), "leased-name");
    assert!(
        facts.all("mtu").contains("eth0 1400"),
        "{}",
        facts.all("mtu")
    );
    let routes = facts.all("route");
    // /proc/net/route shows addresses as little-endian hexadecimal numbers.
    assert!(
        routes.contains("000200C0\t09004D0A"),
        "192.0.2.0/24: {routes}"
    );
    assert!(
        routes.contains("00000000\tFD004D0A"),
        "the default route of 121: {routes}"
    );
    assert!(
        !routes.contains("FE004D0A"),
        "the router of option 3: {routes}"
    );
    Ok(())
}

#[test]
fn a_static_address_needs_no_dhcp_server() -> Result<()> {
    let lan = Lan::new("static")?;
    let root = TinyRoot::make()?;
    // It grants no lease: no machine asks it for a boot loader here.
    let _server = lan.serve_beside(root.path())?;
    let vm = lan.boot(&format!("{} {STATIC} rd.overlay", own_export(root.path())?))?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    assert_eq!(facts.all("hostname"), "fixed-name");
    assert!(
        facts.all("fib").contains("10.77.0.50"),
        "{}",
        facts.all("fib")
    );
    assert!(
        facts.all("route").contains("00000000\tFE004D0A"),
        "{}",
        facts.all("route")
    );
    Ok(())
}

#[test]
fn overlayroot_tmpfs_requests_an_overlay() -> Result<()> {
    let lan = Lan::new("overlayroot")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = lan.boot(&format!(
        "{} {STATIC} overlayroot=tmpfs",
        own_export(root.path())?
    ))?;
    Facts::of(&vm)?.assert_overlay();
    assert!(
        !root.path().join("etc/written").exists(),
        "the export was written to"
    );
    Ok(())
}

/// The machine reports the parameter that starts like this, the position and what was expected there, and boots.
fn complains_and_boots(vm: &Vm, parameter: &str) -> Result<()> {
    let complaint = format!("netroot: warning: {parameter}");
    let seen = vm.wait_for(&complaint, "the bad parameter by its name", TIMEOUT)?;
    assert!(seen.line.contains("at position "), "{}", seen.line);
    assert!(seen.line.contains("expected "), "{}", seen.line);
    Facts::of(vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn an_invalid_fixed_address_is_reported_with_its_position_and_never_becomes_dhcp() -> Result<()> {
    let lan = Lan::new("nonsense-ip")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let nonsense = "ip=10.77.0.999::10.77.0.254:255.255.255.0::eth0:off";
    let mut vm = lan.boot(&format!("{} {nonsense} ro", own_export(root.path())?))?;
    assert_fails_with(
        &mut vm,
        &format!(
            "no network card is set up: {nonsense}: at position 0: expected an IPv4 address, found \"10.77.0.999\"; no address \
             is taken from it; correct it, or leave the address to DHCP with ip=dhcp"
        ),
    )
}

#[test]
fn an_invalid_nfsroot_is_reported_and_option_17_is_used() -> Result<()> {
    let lan = Lan::new("nonsense-nfsroot")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let option = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &[&option])?;
    let vm = lan.boot("root=/dev/nfs nfsroot=10.77.0.1.5:/srv/root ip=dhcp ro")?;
    complains_and_boots(&vm, "nfsroot=10.77.0.1.5")
}

#[test]
fn of_two_cards_the_one_with_a_lease_is_used() -> Result<()> {
    let lan = Lan::new("two-cards")?;
    let nowhere = lan.net.plain_bridge("br1")?;
    let silent = lan.net.tap("silent", &nowhere)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan
        .machine()
        .nic(Nic::virtio(&silent, "52:54:00:77:00:02"))
        .nic(Nic::virtio(&lan.tap, MACHINE));
    let vm = lan.boot_with(
        machine,
        &format!("{} ip=dhcp rd.overlay", own_export(root.path())?),
    )?;
    Facts::of(&vm)?.assert_overlay();
    vm.wait_for(
        "netroot: eth1: lease 10.77.0.",
        "the lease of the second card",
        TIMEOUT,
    )?;
    Ok(())
}

#[test]
fn bootif_chooses_between_two_cards_that_both_get_leases() -> Result<()> {
    let lan = Lan::new("bootif")?;
    let other = lan.net.bridge("br1", "10.78.0.1/24")?;
    let wrong = lan.net.tap("wrong", &other)?;
    let _dnsmasq = Dnsmasq::start(&lan.net, "br1", "10.78.0.100", "10.78.0.199", &[])?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan
        .machine()
        .nic(Nic::virtio(&wrong, "52:54:00:77:00:02"))
        .nic(Nic::virtio(&lan.tap, MACHINE));
    let bootif = MACHINE.replace(':', "-").to_uppercase();
    let command_line = format!("{} ip=dhcp BOOTIF=01-{bootif} ro", own_export(root.path())?);
    let vm = lan.boot_with(machine, &command_line)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    assert!(
        !facts.all("fib").contains("10.78.0."),
        "the other card was used as well"
    );
    Ok(())
}

#[test]
fn the_init_parameter_chooses_the_program() -> Result<()> {
    let lan = Lan::new("init-by-name")?;
    let root = TinyRoot::make()?;
    std::fs::rename(
        root.path().join("sbin/init"),
        root.path().join("sbin/another"),
    )?;
    let _server = lan.serve_beside(root.path())?;
    let command_line = format!(
        "{} {STATIC} ro init=/sbin/another",
        own_export(root.path())?
    );
    let vm = lan.boot(&command_line)?;
    vm.wait_for(
        "netroot: switch_root to /sbin/another",
        "the chosen init",
        TIMEOUT,
    )?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

#[test]
fn only_the_moved_mounts_survive_the_switch_of_root() -> Result<()> {
    let lan = Lan::new("mounts")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = lan.boot(&format!("{} {STATIC} ro", own_export(root.path())?))?;
    let facts = Facts::of(&vm)?;
    for place in ["/proc", "/sys", "/dev", "/run"] {
        assert!(
            !facts.mount(place).is_empty(),
            "{place}: {}",
            facts.all("mount")
        );
    }
    // The initrd's own files must not be visible.
    assert_eq!(facts.all("top"), names_in(root.path())?);
    Ok(())
}

fn names_in(root: &Path) -> Result<String> {
    let mut names: Vec<String> = std::fs::read_dir(root)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names.join(" "))
}
