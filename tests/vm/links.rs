//! What the init makes of the NICs before it asks for an address: names, bonds, VLANs, bridges.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;
use netroot_harness::{Nic, TinyRoot, Vm, VmBuilder, places};

use crate::wire::{Facts, MACHINE, PATIENCE, Wire, make_initrd, own_export};

/// The machine's second card.
const SECOND: &str = "52:54:00:77:00:02";

/// The initrd of the other tests with the modules of made devices.
fn initrd() -> Result<&'static PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || make_initrd("links", "virtio_net,bonding,8021q,bridge");
    MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

fn boot(machine: VmBuilder<'_>, command_line: &str) -> Result<Vm> {
    let (_, kernel) = places::debian_kernel()?;
    machine.kernel(&kernel, initrd()?, command_line).start()
}

/// A machine with two cards on the same wire.
fn two_cards(wire: &Wire) -> Result<VmBuilder<'_>> {
    let second = wire.net.tap("second", &wire.bridge)?;
    let machine = wire.machine();
    // LACP wants to know how fast a card is, and QEMU's virtio card does not say unless told.
    let card = "virtio-net-pci,speed=1000,duplex=full";
    let machine = machine.nic(Nic::model(card, &wire.tap, MACHINE));
    Ok(machine.nic(Nic::model(card, &second, SECOND)))
}

#[test]
fn a_bond_of_two_cards_asks_for_one_lease_and_bootif_may_name_either_card() -> Result<()> {
    let wire = Wire::new("bond")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve(root.path(), &[])?;
    let bootif = SECOND.replace(':', "-");
    let vm = boot(
        two_cards(&wire)?,
        &format!(
            "{} bond=bond0:eth0,eth1:mode=active-backup,miimon=100,primary=eth1 ip=dhcp \
             BOOTIF=01-{bootif} ro",
            own_export(root.path())?
        ),
    )?;
    let lease = "netroot: bond0: lease 10.77.0.";
    vm.wait_for(lease, "the lease of the bond", PATIENCE)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    assert!(!vm.console().text().contains("netroot: eth0: lease"));
    assert!(!vm.console().text().contains("netroot: eth1: lease"));
    let bond = facts.all("bond");
    for words in [
        "bond0 Bonding Mode: fault-tolerance (active-backup)",
        "bond0 MII Polling Interval (ms): 100",
        "bond0 Primary Slave: eth1",
        "bond0 Slave Interface: eth0",
        "bond0 Slave Interface: eth1",
    ] {
        assert!(bond.contains(words), "{words}: {bond}");
    }
    Ok(())
}

// Nobody speaks LACP on this wire: the bond then uses one card alone, as the standard has it.
#[test]
fn a_bond_by_lacp_boots_from_a_switch_without_it_too() -> Result<()> {
    let wire = Wire::new("lacp")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve_beside(root.path())?;
    let vm = boot(
        two_cards(&wire)?,
        &format!(
            "{} bond=uplink:eth0,eth1:mode=802.3ad,lacp_rate=fast,xmit_hash_policy=layer3+4:1400 \
             ip=10.77.0.50:::255.255.255.0::uplink:off ro",
            own_export(root.path())?
        ),
    )?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let bond = facts.all("bond");
    for words in [
        "uplink Bonding Mode: IEEE 802.3ad Dynamic link aggregation",
        "uplink Transmit Hash Policy: layer3+4 (1)",
        "uplink LACP rate: fast",
        "uplink Slave Interface: eth0",
        "uplink Slave Interface: eth1",
    ] {
        assert!(bond.contains(words), "{words}: {bond}");
    }
    let link = facts.all("mtu");
    assert!(link.contains("uplink 1400"), "{link}");
    assert!(!link.contains("bond0"), "nobody asked for it: {link}");
    Ok(())
}

#[test]
fn a_bridge_and_a_renamed_card_with_a_static_address_and_a_route() -> Result<()> {
    let wire = Wire::new("bridge")?;
    let root = TinyRoot::make()?;
    let _server = wire.serve_beside(root.path())?;
    let vm = boot(
        two_cards(&wire)?,
        &format!(
            "{} ifname=eth0:{SECOND} ifname=lan:{MACHINE} bridge=br0:lan \
             ip=10.77.0.50:::255.255.255.0::br0:off rd.route=192.0.2.0/24:10.77.0.9 ro",
            own_export(root.path())?
        ),
    )?;
    let address = "netroot: br0: address 10.77.0.50/24 (ip=)";
    vm.wait_for(address, "the address of the bridge", PATIENCE)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let link = facts.all("link");
    for words in [
        &format!("lan {MACHINE} master br0"),
        &format!("eth0 {SECOND} master -"),
        &format!("br0 {MACHINE} master -"),
    ] {
        assert!(link.contains(words.as_str()), "{words}: {link}");
    }
    let routes = facts.all("route");
    assert!(routes.contains("br0\t000200C0\t09004D0A"), "{routes}");
    Ok(())
}

// The machine that runs the tests may have a kernel without VLANs, so nobody answers here: what is shown is that the
// question leaves with the VLAN's tag, and that the card that carries it asks nothing.
#[test]
fn a_vlan_asks_with_its_tag_and_what_carries_it_does_not_ask() -> Result<()> {
    let wire = Wire::new("vlan")?;
    let asked = "udp port 67 or (vlan and udp port 67)";
    let capture = ["tcpdump", "-l", "-e", "-n", "-i", "machine", asked];
    let capture = wire.net.spawn(&capture)?;
    let machine = wire.machine().nic(Nic::virtio(&wire.tap, MACHINE));
    let command_line = "root=/dev/nfs nfsroot=10.77.0.1:/x vlan=vlan5:eth0 ip=dhcp ro";
    let vm = boot(machine, command_line)?;
    let made = "netroot: vlan5: vlan of eth0 (vlan=vlan5:eth0)";
    vm.wait_for(made, "the VLAN", PATIENCE)?;
    let tagged = "802.1Q (0x8100), length";
    capture.wait_for(tagged, "a frame with a tag", PATIENCE)?;
    capture.wait_for("BOOTP/DHCP, Request", "its question", PATIENCE)?;
    let seen = capture.stdout().text();
    for line in seen.lines().filter(|line| line.contains(MACHINE)) {
        assert!(line.contains("vlan 5, p 0"), "{line}");
    }
    Ok(())
}
