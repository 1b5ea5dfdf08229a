use super::*;
use crate::cmdline::BootPlan;
use crate::mount::{LeaseFacts, choose_root};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

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
        request.data(false),
        "ro,vers=3,proto=tcp,port=2049,mountvers=3,mountproto=tcp,mountport=20048,mountaddr=10.0.0.1,nolock,addr=10.0.0.1"
    );
    assert!(request.read_only);
}

#[test]
fn ports_that_were_found_out_go_before_written_ones() {
    let cmdline = "nfsroot=10.0.0.1:/r,port=1,mountport=2";
    let written = request(cmdline, Version::V3, KnownPorts::default()).data(false);
    assert!(
        written.contains(",port=1,") && written.contains(",mountport=2,"),
        "{written}"
    );
    let ports = KnownPorts {
        nfs: Some(3),
        mount: Some(4),
    };
    let found = request(cmdline, Version::V3, ports).data(false);
    assert!(
        found.contains(",port=3,") && found.contains(",mountport=4,"),
        "{found}"
    );
}

#[test]
fn version_4_always_has_its_minor_and_no_mount_server() {
    for (minor, data) in [
        (0, "rw,vers=4.0,proto=tcp,addr=10.0.0.1"),
        (2, "rw,vers=4.2,proto=tcp,addr=10.0.0.1"),
    ] {
        let cmdline = "nfsroot=10.0.0.1:/r,rw,mountport=9,nolock";
        let request = request(cmdline, Version::V4(minor), KnownPorts::default());
        assert_eq!(request.data(false), data);
    }
}

#[test]
fn locks_are_local_unless_they_are_asked_for() {
    let data = |options: &str| {
        let cmdline = format!("nfsroot=10.0.0.1:/r{options}");
        request(&cmdline, Version::V3, KnownPorts::default()).data(false)
    };
    assert!(data("").contains(",nolock,"));
    assert!(data(",lock").contains(",lock,"));
}

#[test]
fn only_what_was_passed_through_may_be_left_out() {
    let cmdline = "nfsroot=10.0.0.1:/r,hard,frobnicate=1,noatime";
    let request = request(cmdline, Version::V4(2), KnownPorts::default());
    assert_eq!(
        request.data(false),
        "ro,vers=4.2,proto=tcp,hard,frobnicate=1,addr=10.0.0.1"
    );
    assert_eq!(request.data(true), "ro,vers=4.2,proto=tcp,addr=10.0.0.1");
    assert!(request.flags.no_atime);
}

#[test]
fn each_version_of_the_fallback_has_its_own_words() {
    let cmdline = "nfsroot=10.0.0.1:/r,nconnect=4,sec=sys,migration,port=2049,mountport=2050";
    let told = |version| request(cmdline, version, KnownPorts::default()).data(false);
    let choice = choose_root(&BootPlan::parse(cmdline), &LeaseFacts::default()).unwrap();
    let all: Vec<String> = crate::mount::versions_to_try(&choice.options)
        .into_iter()
        .map(told)
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
