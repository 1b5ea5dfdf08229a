use std::net::Ipv4Addr;

use super::*;
use crate::cmdline::BootPlan;
use crate::root::{LeaseFacts, choose_root};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn request(cmdline: &str, version: Version, ports: KnownPorts) -> MountRequest {
    let choice = choose_root(&BootPlan::parse(cmdline), &LeaseFacts::default()).unwrap();
    mount_request(&choice, version, SERVER, ports)
}

#[test]
fn version_3_with_known_ports_asks_no_portmapper() {
    let ports = KnownPorts {
        nfs: Some(2049),
        mount: Some(20048),
    };
    let request = request("nfsroot=10.0.0.1:/r", Version::V3, ports);
    assert_eq!(
        (request.fstype, request.source.as_str()),
        ("nfs", "10.0.0.1:/r")
    );
    assert_eq!(
        request.written(),
        "ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=20048,mountaddr=10.0.0.1,nolock,addr=10.0.0.1"
    );
    assert_eq!(request.access, Access::ReadOnly);
}

#[test]
fn discovered_ports_override_configured_ones() {
    let cmdline = "nfsroot=10.0.0.1:/r,port=1,mountport=2";
    let written = request(cmdline, Version::V3, KnownPorts::default()).written();
    assert!(
        written.contains(",port=1,") && written.contains(",mountport=2,"),
        "{written}"
    );
    let ports = KnownPorts {
        nfs: Some(3),
        mount: Some(4),
    };
    let found = request(cmdline, Version::V3, ports).written();
    assert!(
        found.contains(",port=3,") && found.contains(",mountport=4,"),
        "{found}"
    );
}

#[test]
fn version_4_has_a_minor_version_and_no_mount_server() {
    for (minor, data) in [
        (0, "rw,vers=4.0,proto=tcp,addr=10.0.0.1"),
        (2, "rw,vers=4.2,proto=tcp,addr=10.0.0.1"),
    ] {
        let cmdline = "nfsroot=10.0.0.1:/r,rw,mountport=9,nolock";
        let request = request(cmdline, Version::V4(minor), KnownPorts::default());
        assert_eq!(request.written(), data);
    }
}

#[test]
fn locks_of_version_3_are_local_since_an_initrd_has_no_portmapper_for_others() {
    for options in ["", ",lock", ",nolock"] {
        let cmdline = format!("nfsroot=10.0.0.1:/r{options}");
        let data = request(&cmdline, Version::V3, KnownPorts::default()).written();
        assert!(
            data.contains(",nolock,") && !data.contains(",lock"),
            "{data}"
        );
        let data = request(&cmdline, Version::V4(2), KnownPorts::default()).written();
        assert!(!data.contains("lock"), "{data}");
    }
}

#[test]
fn only_passed_on_options_may_be_left_out() {
    let cmdline = "nfsroot=10.0.0.1:/r,hard,frobnicate=1,noatime";
    let request = request(cmdline, Version::V4(2), KnownPorts::default());
    assert_eq!(
        request.written(),
        "ro,vers=4.2,proto=tcp,hard,frobnicate=1,addr=10.0.0.1"
    );
    assert_eq!(
        request.data(|p| p.essential),
        "vers=4.2,proto=tcp,addr=10.0.0.1"
    );
    assert!(request.flags.no_atime);
}

#[test]
fn each_version_has_its_own_mount_options() {
    let cmdline = "nfsroot=10.0.0.1:/r,nconnect=4,sec=sys,migration,port=2049,mountport=2050";
    let written = |version| request(cmdline, version, KnownPorts::default()).written();
    let choice = choose_root(&BootPlan::parse(cmdline), &LeaseFacts::default()).unwrap();
    let all: Vec<String> = crate::mount::versions_to_try(&choice.options)
        .into_iter()
        .map(written)
        .collect();
    assert_eq!(
        all,
        [
            "ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=2050,mountaddr=10.0.0.1,\
             nolock,nconnect=4,sec=sys,addr=10.0.0.1",
            "ro,vers=4.2,proto=tcp,port=2049,nconnect=4,sec=sys,addr=10.0.0.1",
            "ro,vers=4.1,proto=tcp,port=2049,nconnect=4,sec=sys,addr=10.0.0.1",
            "ro,vers=4.0,proto=tcp,port=2049,nconnect=4,sec=sys,migration,addr=10.0.0.1",
        ]
    );
}

#[test]
fn attributes_are_cached_below_an_overlay_unless_configured() {
    let data = |more: &str| {
        let cmdline = format!("nfsroot=10.0.0.1:/r{more}");
        request(&cmdline, Version::V3, KnownPorts::default()).written()
    };
    assert!(data(" rd.overlay").contains(",nolock,nocto,acregmin=30,addr="));
    assert!(!data("").contains("nocto"));
    for own in ["cto", "noac", "actimeo=0", "acregmax=5"] {
        let options = data(&format!(",{own} rd.overlay"));
        assert!(
            options.contains(own) && !options.contains("nocto") && !options.contains("acregmin"),
            "{options}"
        );
    }
    assert_eq!(data(",nocto rd.overlay").matches("nocto").count(), 1);
    let written = format!(",{}", cache_of_still_root());
    assert_eq!(data(&format!("{written} rd.overlay")), data(" rd.overlay"));
}

/// Every option that people write, what it becomes for the kernel with version 3 and with 4.2, and a word of the
/// message that is logged.
const OPTIONS: [(&str, &str, &str, &str); 42] = [
    // The transport.
    ("proto=tcp", "", "", ""),
    ("proto=udp", "", "", "TCP is used"),
    ("udp", "", "", "TCP is used"),
    ("rdma", "", "", "TCP is used"),
    ("mountproto=udp", "", "", "TCP is used"),
    ("nconnect=4", "nconnect=4", "nconnect=4", ""),
    ("timeo=600", "timeo=600", "timeo=600", ""),
    ("timeo=7", "timeo=7", "timeo=7", "used as written"),
    ("retrans=3", "retrans=3", "retrans=3", ""),
    ("hard", "hard", "hard", ""),
    ("soft", "soft", "soft", ""),
    ("softerr", "softerr", "softerr", ""),
    ("noresvport", "noresvport", "noresvport", ""),
    // Where it is.
    ("port=0", "", "", ""),
    ("mountport=0", "", "", ""),
    ("mountvers=3", "", "", ""),
    ("mountvers=2", "", "", "MOUNT version 3 is used"),
    ("mountaddr=server", "", "", "left out"),
    (
        "clientaddr=10.0.0.9",
        "clientaddr=10.0.0.9",
        "clientaddr=10.0.0.9",
        "",
    ),
    ("addr=10.0.0.3", "", "", "left out"),
    // How much, and for how long it is kept.
    ("rsize=65536", "rsize=65536", "rsize=65536", ""),
    ("wsize=65536", "wsize=65536", "wsize=65536", ""),
    ("actimeo=30", "actimeo=30", "actimeo=30", ""),
    ("noac", "noac", "noac", ""),
    ("nocto", "nocto", "nocto", ""),
    ("lookupcache=pos", "lookupcache=pos", "lookupcache=pos", ""),
    ("nosharecache", "nosharecache", "nosharecache", ""),
    ("fsc", "fsc", "fsc", ""),
    ("fsc=tag", "fsc=tag", "fsc=tag", ""),
    // Who may do what.
    ("sec=sys", "sec=sys", "sec=sys", ""),
    ("sec=krb5i", "sec=krb5i", "sec=krb5i", "without a gssd"),
    ("noacl", "noacl", "noacl", ""),
    ("lock", "", "", ""),
    ("nolock", "", "", ""),
    (
        "local_lock=flock",
        "local_lock=flock",
        "local_lock=flock",
        "",
    ),
    ("migration", "", "", ""),
    // What mount.nfs does itself, and the kernel passes over.
    ("bg", "bg", "bg", ""),
    ("retry=2", "retry=2", "retry=2", ""),
    ("intr", "intr", "intr", ""),
    // What is fstab's.
    ("_netdev", "", "", "it is mount(8)'s"),
    ("x-systemd.automount", "", "", "it is mount(8)'s"),
    ("sloppy", "", "", "left out"),
];

#[test]
fn every_option_of_nfs_5_is_passed_on_used_or_explained() {
    let untouched = |version| request("nfsroot=10.0.0.1:/r", version, KnownPorts::default());
    for (option, by_3, by_4, word) in OPTIONS {
        let cmdline = format!("nfsroot=10.0.0.1:/r,{option}");
        for (version, expected) in [(Version::V3, by_3), (Version::V4(2), by_4)] {
            let request = request(&cmdline, version, KnownPorts::default());
            let usual = untouched(version).parameters;
            let added: Vec<String> = request
                .parameters
                .iter()
                .filter(|parameter| !usual.contains(parameter))
                .map(|parameter| match &parameter.value {
                    Some(value) => format!("{}={value}", parameter.key),
                    None => parameter.key.clone(),
                })
                .collect();
            assert_eq!(added.join(","), expected, "{option}, version {version}");
            assert_eq!(
                request.parameters.len() - added.len(),
                usual.len(),
                "{option}"
            );
        }
        let complaints = BootPlan::parse(&cmdline).complaints;
        let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert_eq!(said.is_empty(), word.is_empty(), "{option}: {said:?}");
        assert!(
            said.iter().all(|line| line.contains(word)),
            "{option}: {said:?}"
        );
    }
}
