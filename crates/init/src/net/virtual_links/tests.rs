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
    all.iter().map(|l| (l.0, link(l))).collect()
}

#[test]
fn without_a_word_about_it_nothing_is_made_and_nothing_is_hidden() {
    let made = wanted("ip=dhcp");
    let there = links(&[(2, "eth0", ONE)]);
    assert_eq!(made.next(&there), None);
    assert!(made.missing().is_none());
    assert!(!made.is_below(&there[&2]) && !made.sets_up(&there[&2]));
    assert_eq!(made.stand_in(ONE, &there), ONE);
}

#[test]
fn a_bond_is_made_with_its_first_port_and_its_ports_never_ask() {
    let mut made = wanted("bond=bond0:eth0,eth1:mode=active-backup ip=bond0:dhcp");
    let mut there = links(&[(2, "eth0", ONE)]);
    assert_eq!(made.next(&links(&[])), None);
    assert!(made.is_below(&there[&2]) && made.sets_up(&there[&2]));
    let below = Some(2);
    assert_eq!(made.next(&there), Some(Step::Make { device: 0, below }));
    made.devices[0].state = State::Made(5);
    there.extend(links(&[(5, "bond0", ONE)]));
    let attach = |port| {
        Some(Step::Attach {
            device: 0,
            master: 5,
            port,
        })
    };
    assert_eq!(made.next(&there), attach(2));
    assert!(made.missing().is_some(), "no port yet");
    made.ports.insert(2, 5);
    assert!(made.missing().is_none());
    assert_eq!(made.next(&there), None);
    // The second NIC comes late.
    there.extend(links(&[(3, "eth1", TWO)]));
    assert_eq!(made.next(&there), attach(3));
    assert!(!made.is_below(&there[&5]));
}

#[test]
fn a_vlan_on_a_bond_waits_for_the_bonds_first_port_and_a_bridge_for_the_vlan() {
    let mut made = wanted("bridge=br0:vlan7 vlan=vlan7:bond0 bond=bond0:eth0:mode=802.3ad");
    let mut there = links(&[(2, "eth0", ONE)]);
    assert!(matches!(
        made.next(&there),
        Some(Step::Make { device: 0, .. })
    ));
    made.devices[0].state = State::Made(5);
    there.extend(links(&[(5, "bond0", ONE)]));
    assert!(matches!(
        made.next(&there),
        Some(Step::Attach { device: 0, .. })
    ));
    made.ports.insert(2, 5);
    let below = Some(5);
    assert_eq!(made.next(&there), Some(Step::Make { device: 1, below }));
    made.devices[1].state = State::Made(6);
    there.extend(links(&[(6, "vlan7", ONE)]));
    let below = Some(6);
    assert_eq!(made.next(&there), Some(Step::Make { device: 2, below }));
    made.devices[2].state = State::Made(7);
    there.extend(links(&[(7, "br0", ONE)]));
    assert_eq!(
        made.next(&there),
        Some(Step::Attach {
            device: 2,
            master: 7,
            port: 6
        })
    );
    made.ports.insert(6, 7);
    assert_eq!(made.next(&there), None);
    let top: Vec<u32> = there
        .values()
        .filter(|l| !made.is_below(l))
        .map(|l| l.index)
        .collect();
    assert_eq!(top, [7]);
}

#[test]
fn the_nic_that_the_firmware_booted_from_is_stood_for_by_what_it_became_part_of() {
    let mut made = wanted("bond=bond0:eth0,eth1");
    // A bond gives all its ports the address of the first one.
    made.born = HashMap::from([(2, ONE), (3, TWO), (5, ONE)]);
    made.devices[0].state = State::Made(5);
    made.ports = HashMap::from([(2, 5), (3, 5)]);
    let there = links(&[(2, "eth0", ONE), (3, "eth1", ONE), (5, "bond0", ONE)]);
    assert_eq!(made.stand_in(TWO, &there), ONE);
}

#[test]
fn what_carries_a_vlan_asks_only_if_it_is_named() {
    let there = links(&[(2, "eth0", ONE)]);
    assert!(wanted("vlan=eth0.5:eth0").is_below(&there[&2]));
    assert!(!wanted("vlan=eth0.5:eth0 ip=eth0:dhcp ip=eth0.5:dhcp").is_below(&there[&2]));
    assert!(wanted("bridge=br0:eth0 ip=eth0:dhcp").is_below(&there[&2]));
}

#[test]
fn nics_are_used_as_they_are_once_what_they_were_for_is_given_up() {
    let mut made = wanted("bond=bond0:eth0,eth1 vlan=vlan5:bond0");
    let there = links(&[(2, "eth0", ONE)]);
    made.give_up();
    assert!(made.missing().is_none());
    assert!(!made.is_below(&there[&2]) && made.next(&there).is_none());
}

#[test]
fn a_port_that_went_and_came_is_attached_again_and_a_refused_one_is_not() {
    let mut made = wanted("bridge=br0:eth0");
    made.devices[0].state = State::Made(5);
    made.ports.insert(2, 5);
    made.forget(2);
    let there = links(&[(4, "eth0", ONE), (5, "br0", ONE)]);
    assert_eq!(
        made.next(&there),
        Some(Step::Attach {
            device: 0,
            master: 5,
            port: 4
        })
    );
    made.refused.insert(4);
    assert_eq!(made.next(&there), None);
    assert!(!made.is_below(&there[&4]));
}

#[test]
fn another_plan_keeps_the_devices_that_it_wants_too_and_tries_the_failed_ones_again() {
    let bond = "bond=bond0:eth0:mode=active-backup vlan=vlan5:bond0";
    let mut made = wanted(bond);
    made.devices[0].state = State::Made(5);
    made.devices[1].state = State::Failed;
    made.ports.insert(2, 5);
    let other = |cmdline: &str| BootPlan::parse(cmdline).network;
    made.change(&other(&format!("{bond} ip=bond0:dhcp")));
    assert_eq!(made.devices[0].state, State::Made(5));
    assert_eq!(made.devices[1].state, State::Wanted);
    assert_eq!(made.ports.get(&2), Some(&5));
    // Nothing was made, so nothing is taken away either.
    made.devices[0].state = State::Wanted;
    made.change(&other("bond=bond0:eth0,eth1:mode=active-backup"));
    assert_eq!(made.devices.len(), 1);
    assert_eq!(made.devices[0].state, State::Wanted);
    assert!(made.ports.is_empty());
}
