//! NIC names, bonds, VLANs and bridges, set up by the init before it requests an address.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;
use netroot_harness::{Cable, Nic, Switch, SwitchConfig, TinyRoot, Vm, VmBuilder, paths};

use crate::lan::{Facts, Lan, MACHINE, STATIC, TIMEOUT, make_initrd, own_export};

/// The machine's second card.
const SECOND: &str = "52:54:00:77:00:02";

/// The initrd of the other tests plus the modules for virtual links.
fn initrd() -> Result<&'static PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || make_initrd("virtio_net,bonding,8021q,bridge");
    MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// A machine whose initrd can create virtual links.
pub(crate) fn boot(machine: VmBuilder<'_>, command_line: &str) -> Result<Vm> {
    let (_, kernel) = paths::debian_kernel()?;
    machine
        .quick_kernel(&kernel, initrd()?, command_line)?
        .start()
}

/// A machine with two cards on the same network.
fn two_cards(lan: &Lan) -> Result<VmBuilder<'_>> {
    let second = lan.net.tap("second", &lan.bridge)?;
    Ok(with_cards(lan, [(&lan.tap).into(), (&second).into()]))
}

/// A machine with a NIC on each of two cables.
fn with_cards(lan: &Lan, [first, second]: [Cable; 2]) -> VmBuilder<'_> {
    // LACP needs a NIC's speed, and QEMU's virtio NIC reports none unless configured.
    let card = "virtio-net-pci,speed=1000,duplex=full";
    let machine = lan.machine().nic(Nic::model(card, first, MACHINE));
    machine.nic(Nic::model(card, second, SECOND))
}

#[test]
fn a_bond_of_two_cards_asks_for_one_lease_and_bootif_may_name_either_card() -> Result<()> {
    let lan = Lan::new("bond")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let bootif = SECOND.replace(':', "-");
    let vm = boot(
        two_cards(&lan)?,
        &format!(
            "{} bond=bond0:eth0,eth1:mode=active-backup,miimon=100,primary=eth1 ip=dhcp \
             BOOTIF=01-{bootif} ro",
            own_export(root.path())?
        ),
    )?;
    let lease = "netroot: bond0: lease 10.77.0.";
    vm.wait_for(lease, "the lease of the bond", TIMEOUT)?;
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

// No switch here speaks LACP: by the standard the bond then uses a single NIC.
#[test]
fn a_bond_by_lacp_boots_from_a_switch_without_it_too() -> Result<()> {
    let lan = Lan::new("lacp")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = boot(
        two_cards(&lan)?,
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

// The switch passes nothing before both ports are in sync: a bond's request before that is lost.
#[test]
fn a_bond_by_lacp_becomes_one_link_with_its_switch_and_boots() -> Result<()> {
    let lan = Lan::new("lacp-switch")?;
    let config = SwitchConfig {
        lacp: true,
        ..SwitchConfig::default()
    };
    let switch = Switch::start(&lan.net, &lan.bridge, "lacp", 2, config)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let cables = [switch.port(0)?.into(), switch.port(1)?.into()];
    let vm = boot(
        with_cards(&lan, cables),
        &format!(
            "{} bond=bond0:eth0,eth1:mode=802.3ad,miimon=100 ip=dhcp ro",
            own_export(root.path())?
        ),
    )?;
    vm.wait_for("netroot: bond0: lease 10.77.0.", "the lease", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let bond = facts.all("bond");
    for words in [
        "bond0 Bonding Mode: IEEE 802.3ad Dynamic link aggregation",
        "bond0 Number of ports: 2",
        "bond0 Partner Mac Address: 02:00:00:00:13:ad",
    ] {
        assert!(bond.contains(words), "{words}: {bond}");
    }
    assert!(
        switch
            .dhcp_messages()
            .iter()
            .any(|question| question.passed)
    );
    Ok(())
}

#[test]
fn a_running_machine_keeps_its_root_when_the_first_cable_of_its_bond_is_pulled() -> Result<()> {
    let lan = Lan::new("bond-cable")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let vm = boot(
        two_cards(&lan)?,
        &format!(
            "{} bond=bond0:eth0,eth1:mode=active-backup,miimon=100,primary=eth0 ip=dhcp ro \
             facts.stay",
            own_export(root.path())?
        ),
    )?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let bond = facts.all("bond");
    assert!(
        bond.contains("bond0 Currently Active Slave: eth0"),
        "{bond}"
    );
    let tick = "facts: tick 2 the root's own words";
    vm.wait_for(tick, "a machine at work", TIMEOUT)?;
    vm.cable(0, false)?;
    let over = "(slave eth1): making interface the new active one";
    let over = vm.wait_for(over, "the other card's turn", TIMEOUT)?;
    let mut end = over.end;
    for _ in 0..3 {
        let tick = vm
            .console()
            .wait_after(end, "facts: tick", "a reading of the root", TIMEOUT)?;
        assert!(tick.line.contains("the root's own words"), "{}", tick.line);
        end = tick.end;
    }
    Ok(())
}

#[test]
fn a_bridge_and_a_renamed_card_with_a_static_address_and_a_route() -> Result<()> {
    let lan = Lan::new("bridge")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = boot(
        two_cards(&lan)?,
        &format!(
            "{} ifname=eth0:{SECOND} ifname=lan:{MACHINE} bridge=br0:lan \
             ip=10.77.0.50:::255.255.255.0::br0:off rd.route=192.0.2.0/24:10.77.0.9 ro",
            own_export(root.path())?
        ),
    )?;
    let address = "netroot: br0: address 10.77.0.50/24 (ip=)";
    vm.wait_for(address, "the address of the bridge", TIMEOUT)?;
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

/// A switch whose only port is tagged for VLAN 7.
fn tagged(lan: &Lan) -> Result<Switch> {
    let config = SwitchConfig {
        vlan: Some(7),
        ..SwitchConfig::default()
    };
    Switch::start(&lan.net, &lan.bridge, "tagged", 1, config)
}

#[test]
fn a_root_over_a_vlan_boots_and_its_parent_nic_sends_no_requests() -> Result<()> {
    let lan = Lan::new("vlan-root")?;
    let switch = tagged(&lan)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let machine = lan.machine().nic(Nic::virtio(switch.port(0)?, MACHINE));
    let vm = boot(
        machine,
        &format!(
            "{} vlan=eth0.7:eth0 ip=eth0.7:dhcp ro",
            own_export(root.path())?
        ),
    )?;
    let made = "netroot: eth0.7: vlan of eth0 (vlan=eth0.7:eth0)";
    vm.wait_for(made, "the VLAN", TIMEOUT)?;
    vm.wait_for("netroot: eth0.7: lease 10.77.0.", "its lease", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let vlan = facts.all("vlan");
    assert!(vlan.contains("eth0.7 eth0.7 VID: 7"), "{vlan}");
    let asked = switch.dhcp_messages();
    assert!(!asked.is_empty());
    assert!(
        asked.iter().all(|question| question.vlan == Some(7)),
        "{asked:#?}"
    );
    Ok(())
}

// As in a rack: both switch ports are aggregated, and the network is a VLAN on them.
#[test]
fn a_root_over_a_vlan_over_an_lacp_bond_boots() -> Result<()> {
    let lan = Lan::new("vlan-bond")?;
    let config = SwitchConfig {
        vlan: Some(7),
        lacp: true,
        ..SwitchConfig::default()
    };
    let switch = Switch::start(&lan.net, &lan.bridge, "rack", 2, config)?;
    let root = TinyRoot::make()?;
    let _server = lan.serve(root.path(), &[])?;
    let cables = [switch.port(0)?.into(), switch.port(1)?.into()];
    let vm = boot(
        with_cards(&lan, cables),
        &format!(
            "{} bond=bond0:eth0,eth1:mode=802.3ad,lacp_rate=fast vlan=bond0.7:bond0 \
             ip=bond0.7:dhcp ro",
            own_export(root.path())?
        ),
    )?;
    vm.wait_for("netroot: bond0.7: lease 10.77.0.", "the lease", TIMEOUT)?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let bond = facts.all("bond");
    assert!(bond.contains("bond0 Number of ports: 2"), "{bond}");
    let asked = switch.dhcp_messages();
    assert!(
        asked.iter().all(|question| question.vlan == Some(7)),
        "{asked:#?}"
    );
    Ok(())
}

#[test]
fn a_bond_without_its_module_in_the_initrd_is_skipped() -> Result<()> {
    let lan = Lan::new("no-bonding")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    // The initrd of the other tests has no module for it.
    let vm = lan.boot(&format!(
        "{} {STATIC} bond=bond0:eth0:mode=active-backup ro",
        own_export(root.path())?
    ))?;
    let warning = "is the module bonding in the initrd?";
    vm.wait_for(warning, "what is missing", TIMEOUT)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}
