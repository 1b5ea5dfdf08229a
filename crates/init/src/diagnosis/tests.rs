use std::time::Duration;

use netroot_proto::mount::NoRoot;

use super::*;
use crate::failure::Failure;
use crate::nfs::NfsFault;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

fn card(modules: &[&str]) -> Undriven {
    Undriven {
        id: "8086:15f3".into(),
        modalias: "pci:v00008086d000015F3".into(),
        modules: modules.iter().map(|&module| module.into()).collect(),
    }
}

fn no_nic(devices: Vec<Undriven>) -> Failure {
    let waited = Duration::from_secs(60);
    Failure::NoNic { waited, devices }
}

fn silent(on_link: bool, neighbour: Neighbour) -> Failure {
    nfs(NfsFault::Silent {
        server: SERVER,
        port: 2049,
        on_link,
        neighbour,
    })
}

fn nfs(fault: NfsFault) -> Failure {
    let root = "10.0.0.1:/srv/x".into();
    Failure::Nfs { root, fault }
}

/// From the card to the root: the cause, what the sentence says of it, and the cure.
#[test]
fn each_cause_has_its_sentence_and_its_cure() {
    let ninety = Duration::from_secs(90);
    let path = || "/srv/x".to_owned();
    let table: Vec<(Failure, &str, &str)> = vec![
        (
            no_nic(vec![]),
            "no network card",
            "the firmware has it enabled",
        ),
        (
            no_nic(vec![card(&[])]),
            "no driver for PCI device 8086:15f3 (pci:v00008086d000015F3)",
            "--modules netboot",
        ),
        (
            no_nic(vec![card(&["igc"])]),
            "igc did not take PCI device 8086:15f3",
            "firmware that it misses",
        ),
        (
            Failure::NoCarrier {
                interfaces: "eth0".into(),
                waited: ninety,
            },
            "no carrier",
            "check the cable",
        ),
        (
            Failure::NoDhcp {
                interfaces: "eth0".into(),
                waited: ninety,
            },
            "no DHCP server answered on eth0",
            "spanning tree",
        ),
        (
            Failure::NoRoot {
                reason: NoRoot::Unnamed,
            },
            "no root",
            "nfsroot=<server>:<path>",
        ),
        (
            silent(true, Neighbour::Silent),
            "nothing answers at 10.0.0.1 port 2049",
            "does not even answer ARP",
        ),
        (
            silent(true, Neighbour::Answers),
            "nothing answers at 10.0.0.1 port 2049",
            "no firewall on it drops port 2049",
        ),
        (
            silent(false, Neighbour::Unknown),
            "nothing answers at 10.0.0.1 port 2049",
            "check the router",
        ),
        (
            nfs(NfsFault::Closed {
                server: SERVER,
                port: 111,
                what: "portmapper",
            }),
            "10.0.0.1 refuses connections on port 111 (portmapper)",
            "start the portmapper on 10.0.0.1",
        ),
        (
            nfs(NfsFault::NotRegistered {
                server: SERVER,
                what: "the NFS server, version 3",
            }),
            "portmapper of 10.0.0.1 does not know the NFS server, version 3",
            "give port= and mountport=",
        ),
        (
            nfs(NfsFault::OtherVersion {
                server: SERVER,
                port: 2049,
                what: "NFS server, version 3",
                low: 4,
                high: 4,
            }),
            "it speaks version 4",
            "vers=",
        ),
        (
            nfs(NfsFault::NotToThisMachine {
                server: SERVER,
                path: path(),
                own: OWN,
                allowed: vec![],
            }),
            "exports /srv/x, but not to this machine's address 10.0.0.9",
            "add 10.0.0.9 to the clients",
        ),
        (
            nfs(NfsFault::NotExported {
                server: SERVER,
                path: path(),
                own: OWN,
                exports: vec!["/srv/y".into()],
            }),
            "does not export /srv/x; it exports /srv/y",
            "correct the path",
        ),
        (
            Failure::NoInit {
                root: "10.0.0.1:/srv/x".into(),
                tried: "/sbin/init".into(),
                advice: "correct init=",
            },
            "the root 10.0.0.1:/srv/x has no /sbin/init",
            "correct init=",
        ),
    ];
    for (failure, cause, cure) in table {
        let sentence = failure.to_string();
        assert!(sentence.contains(cause), "{cause}: {sentence}");
        let told = sentence.split_once("; ").map(|(_, advice)| advice);
        assert!(
            told.is_some_and(|advice| advice.contains(cure)),
            "{cure}: {sentence}"
        );
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
fn the_arp_table_tells_the_silent_from_the_absent() {
    let table = "IP address       HW type     Flags       HW address            Mask     Device
10.0.0.1         0x1         0x2         52:54:00:12:34:56     *        eth0
10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.3         0x1         0x6         52:54:00:12:34:57     *        eth0
";
    for (last, neighbour) in [
        (1, Neighbour::Answers),
        (2, Neighbour::Silent),
        (3, Neighbour::Answers),
        (4, Neighbour::Unknown),
    ] {
        let address = Ipv4Addr::new(10, 0, 0, last);
        assert_eq!(in_table(table, address), neighbour, "{address}");
    }
    assert_eq!(in_table("", SERVER), Neighbour::Unknown);
}
