use super::*;

/// What was read from sysfs in virtual machines, with the names that udev gave there.
const TOPOLOGIES: [(&str, &str); 14] = [
    ("pc", include_str!("../topologies/pc.txt")),
    ("q35", include_str!("../topologies/q35.txt")),
    ("usb", include_str!("../topologies/usb.txt")),
    ("switch", include_str!("../topologies/switch.txt")),
    ("native", include_str!("../topologies/native.txt")),
    ("bridge", include_str!("../topologies/bridge.txt")),
    ("pxb", include_str!("../topologies/pxb.txt")),
    ("pxbpc", include_str!("../topologies/pxbpc.txt")),
    ("slotbridge", include_str!("../topologies/slotbridge.txt")),
    ("usbslot", include_str!("../topologies/usbslot.txt")),
    ("smbios", include_str!("../topologies/smbios.txt")),
    ("cards", include_str!("../topologies/cards.txt")),
    ("sriov", include_str!("../topologies/sriov.txt")),
    ("sriovnat", include_str!("../topologies/sriovnat.txt")),
];

/// A NIC of a topology, and its names by the versions of the naming scheme.
struct Case {
    interface: String,
    facts: NicFacts,
    expected: Vec<(Vec<u16>, String)>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut slots = Vec::new();
    // The physical functions of virtual ones, and the virtual ones of physical ones: device, number, device.
    let mut physical: Vec<(String, String)> = Vec::new();
    let mut virtual_ones: Vec<(String, String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.strip_prefix(' ').and_then(|l| l.split_once('=')) {
            let nic = &mut cases.last_mut().unwrap().facts;
            let value = value.to_owned();
            match (nic.devices.last_mut(), name) {
                (None, "address") => nic.address = value,
                (None, "addr_assign_type") => nic.addr_assign_type = value,
                (None, "dev_port") => nic.dev_port = value,
                (Some(device), "subsystem") => device.subsystem = value,
                (Some(device), "devtype") => device.devtype = value,
                (Some(device), "acpi_index") => device.acpi_index = value,
                (Some(device), "ari_enabled") => device.ari_enabled = value,
                (Some(device), "modalias") => device.modalias = value,
                (Some(device), "index") => device.index = value,
                (Some(device), "physfn") => physical.push((device.name().to_owned(), value)),
                (Some(device), number) if number.starts_with("virtfn") => {
                    let number = number.trim_start_matches("virtfn").to_owned();
                    virtual_ones.push((device.name().to_owned(), number, value));
                }
                (Some(device), "firmware_node/sun") => device.sun = value,
                (Some(device), "header") => {
                    device.header_type = u8::from_str_radix(&value, 16).ok();
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (what, rest) = line.split_once(' ').unwrap();
        match what {
            "nic" => cases.push(Case {
                interface: rest.to_owned(),
                facts: NicFacts::default(),
                expected: Vec::new(),
            }),
            "device" => cases.last_mut().unwrap().facts.devices.push(DeviceFacts {
                path: rest.to_owned(),
                ..DeviceFacts::default()
            }),
            "udev" => {
                let (versions, names) = rest.split_once(' ').unwrap();
                let versions = versions.split(',').map(|v| v.parse().unwrap()).collect();
                let case = cases.last_mut().unwrap();
                case.expected.push((versions, names.to_owned()));
            }
            "slot" => {
                let (name, address) = rest.split_once(' ').unwrap();
                slots.push((name.to_owned(), address.to_owned()));
            }
            _ => panic!("{line}"),
        }
    }
    for case in &mut cases {
        case.facts.slots.clone_from(&slots);
        // A physical function is written among the devices of its virtual one, and is not one of those.
        let devices = &mut case.facts.devices;
        let Some(own) = devices.first().map(|device| device.name().to_owned()) else {
            continue;
        };
        let Some((_, of)) = physical.iter().find(|(function, _)| *function == own) else {
            continue;
        };
        let at = devices.iter().position(|d| d.name() == of).unwrap();
        let of = devices.remove(at);
        let number = virtual_ones
            .iter()
            .find(|(function, _, it)| function == of.name() && *it == own)
            .map(|(_, number, _)| number.clone());
        devices[0].virtual_function_of = Some((number.unwrap(), Box::new(of)));
    }
    cases
}

fn by_version(facts: &NicFacts, version: u16) -> String {
    let names = names(facts, UdevNaming::Scheme(version));
    let names = names.iter().map(|n| format!("{}={}", n.kind, n.name));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_names_are_those_that_udev_gives_in_the_same_machines() {
    let mut compared = 0;
    for (topology, text) in TOPOLOGIES {
        for case in cases(text) {
            for (versions, expected) in &case.expected {
                for version in versions {
                    let found = by_version(&case.facts, *version);
                    let nic = &case.interface;
                    assert_eq!(&found, expected, "{nic} of {topology} by v{version}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared >= 600, "{compared}");
}

#[test]
fn every_scheme_counts_the_newest_first_and_one_alone_if_it_is_given() {
    let bridge = TOPOLOGIES[5].1;
    let case = cases(bridge).into_iter().find(|case| {
        let old = by_version(&case.facts, 238);
        old.contains("slot=") && !by_version(&case.facts, 257).contains("slot=")
    });
    let facts = case.unwrap().facts;
    let all = names(&facts, UdevNaming::AnyScheme);
    let slot = all.iter().find(|name| name.kind == "slot").unwrap();
    assert_eq!(
        slot.scheme, 240,
        "v247 no longer takes the slot of a bridge"
    );
    assert!(all.iter().filter(|n| n.name == slot.name).count() == 1);
    assert_eq!(all[0].kind, "path");
    assert!(
        names(&facts, UdevNaming::Scheme(247))
            .iter()
            .all(|name| name.kind != "slot")
    );
    assert_eq!(names(&facts, UdevNaming::Off), []);
}

/// A PCI function on the root bus, or behind what `path` names.
fn pci(path: &str) -> DeviceFacts {
    DeviceFacts {
        path: path.to_owned(),
        subsystem: "pci".into(),
        modalias: "pci:v00008086d00001572sv00008086sd00000000bc02sc00i00".into(),
        header_type: Some(0),
        ..DeviceFacts::default()
    }
}

fn nic(devices: Vec<DeviceFacts>) -> NicFacts {
    NicFacts {
        address: "52:54:00:12:34:56".into(),
        addr_assign_type: "0".into(),
        dev_port: "0".into(),
        devices,
        ..NicFacts::default()
    }
}

#[test]
fn a_virtual_function_is_named_after_its_physical_one() {
    let physical = DeviceFacts {
        header_type: Some(0x80),
        ..pci("pci0000:00/0000:00:02.0/0000:01:00.0")
    };
    let virtual_function = DeviceFacts {
        virtual_function_of: Some(("3".into(), Box::new(physical))),
        ..pci("pci0000:00/0000:00:02.0/0000:01:10.3")
    };
    let mut facts = nic(vec![virtual_function, pci("pci0000:00/0000:00:02.0")]);
    facts.addr_assign_type = "1".into();
    facts.slots = vec![("4".into(), "0000:01:00".into())];
    assert_eq!(by_version(&facts, 252), "slot=ens4f0v3 path=enp1s0f0v3");
    assert_eq!(by_version(&facts, 238), "path=enp1s16f3");
}

#[test]
fn domains_ports_ari_and_representors() {
    let mut facts = nic(vec![pci("pci0002:01/0002:01:02.1")]);
    facts.devices[0].ari_enabled = "1".into();
    assert_eq!(
        by_version(&facts, 238),
        "path=enP2p1s2f1 MAC=enx525400123456"
    );
    assert_eq!(
        by_version(&facts, 239),
        "path=enP2p1s2f17 MAC=enx525400123456"
    );
    let mut facts = nic(vec![pci("pci0000:00/0000:00:1f.6")]);
    facts.dev_port = "1".into();
    facts.devices[0].index = "2".into();
    assert!(by_version(&facts, 252).starts_with("onboard=eno2d1 path=enp0s31f6d1 "));
    facts.phys_port_name = "p0".into();
    assert!(by_version(&facts, 252).starts_with("onboard=eno2np0 path=enp0s31f6np0 "));
    facts.phys_port_name = "pf0vf7".into();
    assert!(by_version(&facts, 253).starts_with("onboard=eno2npf0vf7 "));
    assert!(by_version(&facts, 254).starts_with("onboard=eno2r7 path=enp0s31f6r7 "));
}

#[test]
fn the_firmwares_number_counts_if_the_scheme_believes_it() {
    let mut facts = nic(vec![pci("pci0000:00/0000:00:03.0")]);
    for (acpi, smbios, version, expected) in [
        ("5", "9", 252, Some("eno5")),
        ("", "9", 252, Some("eno9")),
        ("0", "", 239, None),
        ("0", "", 240, Some("eno0")),
        ("20000", "", 247, None),
        ("20000", "", 249, Some("eno20000")),
        // What VMware reports.
        ("16777215", "", 257, None),
    ] {
        facts.devices[0].acpi_index = acpi.into();
        facts.devices[0].index = smbios.into();
        let names = names(&facts, UdevNaming::Scheme(version));
        let onboard = names.iter().find(|name| name.kind == "onboard");
        assert_eq!(
            onboard.map(|n| n.name.as_str()),
            expected,
            "{acpi} v{version}"
        );
    }
}

#[test]
fn nics_without_pci() {
    let on = |path: &str, subsystem: &str| {
        nic(vec![DeviceFacts {
            path: path.into(),
            subsystem: subsystem.into(),
            ..DeviceFacts::default()
        }])
    };
    let mac = "MAC=enx525400123456";
    let xen = on("vif-0", "xen");
    assert_eq!(by_version(&xen, 249), mac);
    assert_eq!(by_version(&xen, 250), format!("slot=enX0 {mac}"));
    let acpi = on("platform/HISI00C2:01", "platform");
    assert_eq!(by_version(&acpi, 252), format!("path=enahisic2i1 {mac}"));
    let mut board = on("platform/soc/fd580000.ethernet", "platform");
    board.devices[0].of_node = "/soc/ethernet@7d580000".into();
    board.aliases = vec![("ethernet0".into(), "/soc/ethernet@7d580000".into())];
    assert_eq!(by_version(&board, 251), mac);
    assert_eq!(by_version(&board, 252), format!("onboard=end0 {mac}"));
    let usb = DeviceFacts {
        devtype: "usb_interface".into(),
        ..on("platform/soc/3f980000.usb/usb1/1-1/1-1.1/1-1.1:2.1", "usb")
            .devices
            .remove(0)
    };
    let usb = nic(vec![usb]);
    assert_eq!(by_version(&usb, 252), mac);
    assert_eq!(by_version(&usb, 253), format!("path=enu1u1c2i1 {mac}"));
    // A bond, or a dummy interface, has no device at all, and an address of its own making.
    let mut random = nic(vec![]);
    random.addr_assign_type = "3".into();
    assert_eq!(by_version(&random, 257), "");
    let mut wireless = nic(vec![pci("pci0000:00/0000:00:03.0")]);
    wireless.devtype = "wlan".into();
    assert_eq!(
        by_version(&wireless, 252),
        "path=wlp0s3 MAC=wlx525400123456"
    );
}

#[test]
fn from_v257_acpi_gives_the_slot() {
    let mut facts = nic(vec![
        pci("pci0000:00/0000:00:02.0/0000:01:00.0"),
        pci("pci0000:00/0000:00:02.0"),
    ]);
    facts.devices[1].sun = "6".into();
    assert!(by_version(&facts, 257).starts_with("slot=ens6 path=enp1s0 "));
    assert!(by_version(&facts, 255).starts_with("path=enp1s0 "));
    facts.devices[1].modalias = "pci:v00001B36d0000000Cbc06sc04i00".into();
    assert!(by_version(&facts, 257).starts_with("path=enp1s0 "));
    facts.devices[0].sun = "0".into();
    assert!(by_version(&facts, 257).starts_with("path=enp1s0 "));
}
