use super::*;
use crate::cmdline::Complaint;

fn vlan(value: &str) -> (Option<Vlan>, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let vlan = Vlan::read(
        value,
        &mut Reading::new("vlan", Some(value), &mut complaints),
    );
    (vlan, complaints)
}

fn bridge(value: Option<&str>) -> (Option<Bridge>, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let bridge = Bridge::read(value, &mut Reading::new("bridge", value, &mut complaints));
    (bridge, complaints)
}

fn ifname(value: &str) -> (Option<Rename>, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let rename = Rename::read(
        value,
        &mut Reading::new("ifname", Some(value), &mut complaints),
    );
    (rename, complaints)
}

#[test]
fn the_number_of_a_vlan_is_in_its_name() {
    for (value, name, id, link) in [
        ("vlan0005:eth0", "vlan0005", 5, "eth0"),
        ("vlan5:eth0", "vlan5", 5, "eth0"),
        ("eth0.0005:eth0", "eth0.0005", 5, "eth0"),
        ("eth0.5:eth0", "eth0.5", 5, "eth0"),
        ("storage.4094:bond0", "storage.4094", 4094, "bond0"),
    ] {
        let expected = Vlan {
            name: name.into(),
            id,
            link: link.into(),
        };
        assert_eq!(vlan(value), (Some(expected), vec![]), "{value}");
    }
}

#[test]
fn an_invalid_vlan_is_reported_with_its_position() {
    for (value, position, found) in [
        ("", 0, ""),
        ("eth0", 0, "eth0"),
        ("vlan:eth0", 0, "vlan"),
        ("vlan0:eth0", 0, "vlan0"),
        ("vlan4095:eth0", 0, "vlan4095"),
        ("eth0.+5:eth0", 0, "eth0.+5"),
        ("storage:eth0", 0, "storage"),
        ("vlan5", 5, ""),
        ("vlan5:", 6, ""),
        ("vlan5:a/b", 6, "a/b"),
        ("a-much-too-long-name.5:eth0", 0, "a-much-too-long-name.5"),
    ] {
        let (made, complaints) = vlan(value);
        assert_eq!(made, None, "{value}");
        let [complaint] = complaints.as_slice() else {
            panic!("{value}: {complaints:?}")
        };
        assert_eq!(
            (complaint.position, complaint.found.as_str()),
            (position, found),
            "{value}"
        );
    }
    let (made, complaints) = vlan("vlan5:eth0:x:y");
    assert!(made.is_some());
    assert_eq!(
        (complaints[0].position, complaints[0].found.as_str()),
        (11, "x:y")
    );
}

#[test]
fn a_bridge_has_ports() {
    let of = |name: &str, ports: &[&str]| Bridge {
        name: name.into(),
        ports: ports.iter().map(|&port| port.into()).collect(),
    };
    assert_eq!(bridge(None), (Some(of("br0", &["eth0"])), vec![]));
    let (made, complaints) = bridge(Some("br7:eth0,eth1,eth0"));
    assert_eq!(
        (made, complaints),
        (Some(of("br7", &["eth0", "eth1"])), vec![])
    );
    let (made, complaints) = bridge(Some("br7:eth0,a/b"));
    assert_eq!(made, Some(of("br7", &["eth0"])));
    assert_eq!(
        (complaints[0].position, complaints[0].found.as_str()),
        (9, "a/b")
    );
    for value in ["br7", "br7:", "br7:,", ":eth0"] {
        assert_eq!(bridge(Some(value)).0, None, "{value}");
    }
}

#[test]
fn ifname_names_the_nic_with_that_address() {
    let (rename, complaints) = ifname("lan0:52:54:00:AB:34:56");
    assert_eq!(complaints, []);
    assert_eq!(
        rename,
        Some(Rename {
            name: "lan0".into(),
            address: Mac([0x52, 0x54, 0, 0xab, 0x34, 0x56])
        })
    );
    for (value, position, found) in [
        ("", 0, ""),
        ("lan0", 4, ""),
        ("lan0:eth0", 5, "eth0"),
        ("lan0:52:54:00:ab:34", 5, "52:54:00:ab:34"),
        ("la/n:52:54:00:ab:34:56", 0, "la/n"),
    ] {
        let (rename, complaints) = ifname(value);
        assert_eq!(rename, None, "{value}");
        assert_eq!(
            (complaints[0].position, complaints[0].found.as_str()),
            (position, found),
            "{value}"
        );
    }
}
