use super::*;
use netroot_proto::cmdline::BootPlan;

const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
const TWO: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn wanted(cmdline: &str) -> VirtualLinks {
    let plan = BootPlan::parse(cmdline);
    assert_eq!(plan.complaints, []);
    VirtualLinks::new(&plan.network)
}

fn links(all: &[(u32, &str, Mac)]) -> Links {
    let link = |(index, name, mac): &(u32, &str, Mac)| Link {
        index: *index,
        name: (*name).to_owned(),
        mac: Some(*mac),
        up: false,
        carrier: false,
        running: false,
        loopback: false,
        mtu: 1500,
        gone: false,
    };
    let mut links = Links::new();
    for one in all {
        links.insert(one.0, link(one));
    }
    links
}

fn add(there: &mut Links, more: &[(u32, &str, Mac)]) {
    for link in links(more).into_values() {
        there.insert(link.index, link);
    }
}

#[test]
fn without_parameters_no_device_is_created_and_no_nic_is_hidden() {
    let virtual_links = wanted("ip=dhcp");
    let there = links(&[(2, "eth0", ONE)]);
    assert_eq!(virtual_links.next_action(&there), None);
    assert!(virtual_links.incomplete().is_none());
    assert!(
        !virtual_links.is_lower_device(there.get(2).unwrap())
            && !virtual_links.manages(there.get(2).unwrap())
    );
    assert_eq!(virtual_links.top_mac(ONE, &there), ONE);
}

#[test]
fn a_bond_is_created_with_its_first_port_and_its_ports_get_no_address() {
    let mut virtual_links = wanted("bond=bond0:eth0,eth1:mode=active-backup ip=bond0:dhcp");
    let mut there = links(&[(2, "eth0", ONE)]);
    assert_eq!(virtual_links.next_action(&links(&[])), None);
    assert!(
        virtual_links.is_lower_device(there.get(2).unwrap())
            && virtual_links.manages(there.get(2).unwrap())
    );
    let lower = Some(2);
    assert_eq!(
        virtual_links.next_action(&there),
        Some(Action::Create { device: 0, lower })
    );
    virtual_links.devices[0].state = State::Created(5);
    add(&mut there, &[(5, "bond0", ONE)]);
    let attach = |port| {
        Some(Action::Attach {
            device: 0,
            master: 5,
            port,
        })
    };
    assert_eq!(virtual_links.next_action(&there), attach(2));
    assert!(virtual_links.incomplete().is_some(), "no port yet");
    virtual_links.ports.insert(2, 5);
    assert!(virtual_links.incomplete().is_none());
    assert_eq!(virtual_links.next_action(&there), None);
    // The second NIC appears late.
    add(&mut there, &[(3, "eth1", TWO)]);
    assert_eq!(virtual_links.next_action(&there), attach(3));
    assert!(!virtual_links.is_lower_device(there.get(5).unwrap()));
}

#[test]
fn a_vlan_on_a_bond_waits_for_the_bonds_first_port_and_a_bridge_for_the_vlan() {
    let mut virtual_links =
        wanted("bridge=br0:vlan7 vlan=vlan7:bond0 bond=bond0:eth0:mode=802.3ad");
    let mut there = links(&[(2, "eth0", ONE)]);
    assert!(matches!(
        virtual_links.next_action(&there),
        Some(Action::Create { device: 0, .. })
    ));
    virtual_links.devices[0].state = State::Created(5);
    add(&mut there, &[(5, "bond0", ONE)]);
    assert!(matches!(
        virtual_links.next_action(&there),
        Some(Action::Attach { device: 0, .. })
    ));
    virtual_links.ports.insert(2, 5);
    let lower = Some(5);
    assert_eq!(
        virtual_links.next_action(&there),
        Some(Action::Create { device: 1, lower })
    );
    virtual_links.devices[1].state = State::Created(6);
    add(&mut there, &[(6, "vlan7", ONE)]);
    let lower = Some(6);
    assert_eq!(
        virtual_links.next_action(&there),
        Some(Action::Create { device: 2, lower })
    );
    virtual_links.devices[2].state = State::Created(7);
    add(&mut there, &[(7, "br0", ONE)]);
    assert_eq!(
        virtual_links.next_action(&there),
        Some(Action::Attach {
            device: 2,
            master: 7,
            port: 6
        })
    );
    virtual_links.ports.insert(6, 7);
    assert_eq!(virtual_links.next_action(&there), None);
    let top: Vec<u32> = there
        .values()
        .filter(|l| !virtual_links.is_lower_device(l))
        .map(|l| l.index)
        .collect();
    assert_eq!(top, [7]);
}

#[test]
fn the_boot_nic_is_represented_by_the_device_over_it() {
    let mut virtual_links = wanted("bond=bond0:eth0,eth1");
    // All ports of a bond have the address of the first one.
    for (index, mac) in [(2, ONE), (3, TWO), (5, ONE)] {
        virtual_links.original_macs.insert(index, mac);
    }
    virtual_links.devices[0].state = State::Created(5);
    for port in [2, 3] {
        virtual_links.ports.insert(port, 5);
    }
    let there = links(&[(2, "eth0", ONE), (3, "eth1", ONE), (5, "bond0", ONE)]);
    assert_eq!(virtual_links.top_mac(TWO, &there), ONE);
}

#[test]
fn the_link_below_a_vlan_gets_an_address_only_if_it_is_named() {
    let there = links(&[(2, "eth0", ONE)]);
    assert!(wanted("vlan=eth0.5:eth0").is_lower_device(there.get(2).unwrap()));
    assert!(
        !wanted("vlan=eth0.5:eth0 ip=eth0:dhcp ip=eth0.5:dhcp")
            .is_lower_device(there.get(2).unwrap())
    );
    assert!(wanted("bridge=br0:eth0 ip=eth0:dhcp").is_lower_device(there.get(2).unwrap()));
}

#[test]
fn nics_are_used_as_they_are_once_their_device_is_abandoned() {
    let mut virtual_links = wanted("bond=bond0:eth0,eth1 vlan=vlan5:bond0");
    let there = links(&[(2, "eth0", ONE)]);
    virtual_links.abandon_incomplete();
    assert!(virtual_links.incomplete().is_none());
    assert!(
        !virtual_links.is_lower_device(there.get(2).unwrap())
            && virtual_links.next_action(&there).is_none()
    );
}

#[test]
fn a_port_that_reappears_is_attached_again_and_a_refused_one_is_not() {
    let mut virtual_links = wanted("bridge=br0:eth0");
    virtual_links.devices[0].state = State::Created(5);
    virtual_links.ports.insert(2, 5);
    virtual_links.forget(2);
    let there = links(&[(4, "eth0", ONE), (5, "br0", ONE)]);
    assert_eq!(
        virtual_links.next_action(&there),
        Some(Action::Attach {
            device: 0,
            master: 5,
            port: 4
        })
    );
    virtual_links.refused.insert(4, ());
    assert_eq!(virtual_links.next_action(&there), None);
    assert!(!virtual_links.is_lower_device(there.get(4).unwrap()));
}

#[test]
fn a_new_plan_keeps_the_same_devices_and_retries_failed_ones() {
    let bond = "bond=bond0:eth0:mode=active-backup vlan=vlan5:bond0";
    let mut virtual_links = wanted(bond);
    virtual_links.devices[0].state = State::Created(5);
    virtual_links.devices[1].state = State::Failed;
    virtual_links.ports.insert(2, 5);
    let other = |cmdline: &str| BootPlan::parse(cmdline).network;
    virtual_links.change(&other(&format!("{bond} ip=bond0:dhcp")));
    assert_eq!(virtual_links.devices[0].state, State::Created(5));
    assert_eq!(virtual_links.devices[1].state, State::Wanted);
    assert_eq!(virtual_links.ports.get(2), Some(&5));
    // Nothing was created, so nothing is removed.
    virtual_links.devices[0].state = State::Wanted;
    virtual_links.change(&other("bond=bond0:eth0,eth1:mode=active-backup"));
    assert_eq!(virtual_links.devices.len(), 1);
    assert_eq!(virtual_links.devices[0].state, State::Wanted);
    assert_eq!(virtual_links.ports.values().count(), 0);
}
