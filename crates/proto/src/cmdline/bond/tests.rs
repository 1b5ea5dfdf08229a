use super::*;
use crate::cmdline::Complaint;

fn read(value: &str) -> (Option<Bond>, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let bond = Bond::read(
        Some(value),
        &mut Reading::new("bond", Some(value), &mut complaints),
    );
    (bond, complaints)
}

fn good(value: &str) -> Bond {
    let (bond, complaints) = read(value);
    assert_eq!(complaints, [], "{value}");
    bond.unwrap()
}

#[test]
fn a_bond_has_dracuts_defaults() {
    let mut complaints = Vec::new();
    let bare = Bond::read(None, &mut Reading::new("bond", None, &mut complaints)).unwrap();
    assert_eq!(bare, good("bond0"));
    assert_eq!(
        (bare.name.as_str(), bare.ports.as_slice()),
        ("bond0", &["eth0".to_owned(), "eth1".into()][..])
    );
    assert_eq!(bare.mode, BondMode::BalanceRoundRobin);
    assert_eq!(good("bond0::mode=1").ports, bare.ports);
}

#[test]
fn lacp_and_active_backup_are_read_with_their_options() {
    let bond = good(
        "bond0:ens1,ens2:mode=802.3ad,miimon=100,lacp_rate=fast,xmit_hash_policy=layer3+4:9000",
    );
    assert_eq!((bond.mode, bond.mtu), (BondMode::Lacp, Some(9000)));
    assert_eq!(
        bond.attributes,
        [
            (BondAttribute::MiiMonitor, 100),
            (BondAttribute::LacpRate, 1),
            (BondAttribute::TransmitHashPolicy, 1)
        ]
    );
    let bond = good(
        "bond1:eth0,eth1:mode=active-backup,primary=eth1,fail_over_mac=active,miimon=1,miimon=50,\
         arp_ip_target=10.0.0.1;10.0.0.2,arp_interval=200",
    );
    assert_eq!(bond.mode, BondMode::ActiveBackup);
    assert_eq!(bond.primary.as_deref(), Some("eth1"));
    assert_eq!(bond.arp_targets.len(), 2);
    assert_eq!(bond.attributes[1], (BondAttribute::MiiMonitor, 50));
    for (text, mode) in [
        ("mode=4", BondMode::Lacp),
        ("mode=0", BondMode::BalanceRoundRobin),
    ] {
        assert_eq!(good(&format!("b:e1,e2:{text}")).mode, mode);
    }
}

#[test]
fn attributes_have_the_kernels_numbers() {
    for (attribute, number, width) in [
        (BondAttribute::MiiMonitor, 3, 4),
        (BondAttribute::FailOverMac, 13, 1),
        (BondAttribute::TransmitHashPolicy, 14, 1),
        (BondAttribute::MinLinks, 18, 4),
        (BondAttribute::LacpRate, 21, 1),
        (BondAttribute::DynamicLoadBalance, 27, 1),
    ] {
        assert_eq!((attribute.number(), attribute.width()), (number, width));
    }
    assert_eq!(BondMode::BalanceAdaptiveLoad as u8, 6);
}

#[test]
fn an_invalid_option_is_reported_with_its_position() {
    for (value, position, found) in [
        ("b:e1:mode=lacp", 10, "lacp"),
        ("b:e1:frob=1", 5, "frob=1"),
        ("b:e1:miimon=soon", 12, "soon"),
        ("b:e1:miimon", 11, ""),
        ("b:e1:mode=1,lacp_rate=2", 22, "2"),
        ("b:e1:num_grat_arp=256", 18, "256"),
        ("b:e1:primary=e2", 13, "e2"),
        ("b:e1:arp_ip_target=10.0.0.1;x", 28, "x"),
        ("b:e1::20", 6, "20"),
        ("b:e1:::more:x", 7, "more:x"),
        ("b:e1,a/b", 5, "a/b"),
    ] {
        let (bond, complaints) = read(value);
        assert!(bond.is_some(), "{value}");
        let [complaint] = complaints.as_slice() else {
            panic!("{value}: {complaints:?}")
        };
        assert_eq!(
            (complaint.position, complaint.found.as_str()),
            (position, found),
            "{value}"
        );
    }
    assert_eq!(read("a/b:e1").0, None);
    assert_eq!(read("b:a/b").0, None);
}
