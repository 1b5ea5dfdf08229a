use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use netroot_proto::root::NoRoot;
use nfs3_client::RpcError;

use super::cards::Bus;
use super::*;
use crate::failure::Failure;
use crate::net::lease::LeaseError;
use crate::net::next_hop::NextHop;
use crate::root::nfs::NfsFault;
use crate::root::programs::{NoInit, ProgramError};

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254));
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

fn card(modules: &[&str]) -> UnclaimedCard {
    UnclaimedCard {
        bus: Bus::Pci,
        id: "8086:15f3".into(),
        modalias: "pci:v00008086d000015F3".into(),
        modules: modules.iter().map(|&module| module.into()).collect(),
        is_unsigned: false,
    }
}

fn no_nic(devices: Vec<UnclaimedCard>) -> Failure {
    let waited = Duration::from_secs(60);
    Failure::NoNic { waited, devices }
}

const FAR: NextHop = NextHop::Router {
    gateway: ROUTER,
    on_link: true,
};
const OUTSIDE: NextHop = NextHop::Router {
    gateway: ROUTER,
    on_link: false,
};

fn silent(hop: NextHop, neighbour: Neighbour) -> Failure {
    let reachability = Reachability {
        own: OWN,
        hop,
        neighbour,
    };
    nfs(NfsFault::Silent {
        server: SERVER,
        port: 2049,
        what: "NFS server, version 3",
        reachability,
    })
}

fn broken(answer: RpcFailure) -> Failure {
    nfs(NfsFault::Broken {
        server: SERVER,
        port: 2049,
        what: "NFS server, version 3",
        answer,
    })
}

fn not_executable(reason: NotExecutable) -> Failure {
    let (root, program) = ("10.0.0.1:/srv/x".into(), "/sbin/init".into());
    let error = ProgramError::NotExecutable {
        root,
        program,
        reason,
    };
    Failure::Unfit(error.into())
}

fn nfs(fault: NfsFault) -> Failure {
    Failure::Nfs {
        root: "10.0.0.1:/srv/x".into(),
        fault: Box::new(fault),
        loss: None,
    }
}

/// The same failure, after which packet loss was measured.
fn with_packet_loss(mut failure: Failure) -> Failure {
    if let Failure::Nfs { loss, .. } = &mut failure {
        *loss = Some(PacketLoss {
            neighbour: Ipv4Addr::new(10, 0, 0, 1),
            answered: 6,
        });
    }
    failure
}

#[test]
fn packet_loss_overrides_the_advice_of_the_failure() {
    let alone = silent(NextHop::Direct, Neighbour::Answers);
    assert!(alone.to_string().contains("firewall"), "{alone}");
    let sentence = with_packet_loss(alone).to_string();
    let start = "cannot mount the root 10.0.0.1:/srv/x: nothing answers at 10.0.0.1 port 2049 (NFS server, version 3); the network loses frames (10.0.0.1 answers 6 of 10 ARP requests): check the cable";
    assert!(sentence.starts_with(start), "{sentence}");
    assert!(!sentence.contains("firewall"), "{sentence}");
}

/// From the card to the root: the cause, what the sentence says of it, and the cure.
#[test]
fn each_cause_has_its_sentence_and_advice() {
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
            "igc did not bind to PCI device 8086:15f3",
            "missing firmware",
        ),
        (
            no_nic(vec![UnclaimedCard {
                is_unsigned: true,
                ..card(&["igc"])
            }]),
            "igc for PCI device 8086:15f3: it has no signature that the kernel trusts",
            "mokutil",
        ),
        (
            no_nic(vec![UnclaimedCard {
                bus: Bus::Virtio,
                id: "1af4:0001".into(),
                modalias: "virtio:d00000001v00001AF4".into(),
                ..card(&[])
            }]),
            "no driver for virtio device 1af4:0001 (virtio:d00000001v00001AF4)",
            "--modules netboot",
        ),
        (
            Failure::Lease(LeaseError::NoCarrier {
                interfaces: "eth0".into(),
                waited: ninety,
            }),
            "no carrier",
            "check the cable",
        ),
        (
            Failure::Lease(LeaseError::NoDhcp {
                protocol: "DHCP",
                interfaces: "eth0".into(),
                waited: ninety,
            }),
            "no DHCP server answered on eth0",
            "spanning tree",
        ),
        (
            Failure::NoRoot {
                reason: NoRoot::Unnamed,
            },
            "no root",
            "give root=nfs:<server>:/<path>",
        ),
        (
            silent(NextHop::Direct, Neighbour::Silent),
            "nothing answers at 10.0.0.1 port 2049",
            "does not even answer ARP",
        ),
        (
            silent(NextHop::Direct, Neighbour::Answers),
            "nothing answers at 10.0.0.1 port 2049",
            "no firewall on it drops port 2049",
        ),
        (
            with_packet_loss(silent(NextHop::Direct, Neighbour::Answers)),
            "nothing answers at 10.0.0.1 port 2049",
            "the network loses frames (10.0.0.1 answers 6 of 10 ARP requests)",
        ),
        (
            silent(FAR, Neighbour::Silent),
            "nothing answers at 10.0.0.1 port 2049",
            "the router 10.0.0.254 does not even answer ARP",
        ),
        (
            silent(OUTSIDE, Neighbour::Silent),
            "nothing answers at 10.0.0.1 port 2049",
            "the router 10.0.0.254 is not in this machine's own network",
        ),
        (
            silent(FAR, Neighbour::Answers),
            "nothing answers at 10.0.0.1 port 2049",
            "has a route back to 10.0.0.9",
        ),
        (
            silent(FAR, Neighbour::Unknown),
            "nothing answers at 10.0.0.1 port 2049",
            "check the router 10.0.0.254",
        ),
        (
            silent(NextHop::NoRoute, Neighbour::Unknown),
            "there is no route from 10.0.0.9 to 10.0.0.1",
            "configure a router",
        ),
        (
            broken(RpcFailure::NoReply),
            "10.0.0.1 accepts connections on port 2049 but answers nothing there, not even an empty call (NULL)",
            "no firewall or proxy answers in its place",
        ),
        (
            broken(RpcFailure::OnlyNull),
            "answers an empty call (NULL), but nothing else",
            "check the log of 10.0.0.1",
        ),
        (
            broken(RpcFailure::Closed),
            "10.0.0.1 port 2049 closes the connection",
            "hosts.allow",
        ),
        (
            broken(RpcFailure::NotRpc(RpcError::WrongLength)),
            "what listens on port 2049 of 10.0.0.1 is not the NFS server, version 3",
            "correct port=",
        ),
        (
            broken(RpcFailure::WrongProgram),
            "speaks RPC but is not the NFS server",
            "correct port=",
        ),
        (
            broken(RpcFailure::WrongVersion(3, 4)),
            "has no NFS server, version 3: it speaks versions 3 to 4",
            "vers=",
        ),
        (
            broken(RpcFailure::Error(RpcError::SystemErr)),
            "(port 2049) fails: System error",
            "check the log",
        ),
        (
            nfs(NfsFault::Closed {
                server: SERVER,
                port: 111,
                what: "portmapper",
            }),
            "10.0.0.1 refuses connections on port 111 (portmapper)",
            "start rpcbind on 10.0.0.1, or name its ports with port= and mountport=",
        ),
        (
            nfs(NfsFault::NotRegistered {
                server: SERVER,
                what: "NFS server, version 3",
            }),
            "portmapper of 10.0.0.1 does not know the NFS server, version 3",
            "give port= and mountport=",
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
            Failure::Unfit(
                ProgramError::from(NoInit {
                    root: "10.0.0.1:/srv/x".into(),
                    tried: "/sbin/init".into(),
                    instead: String::new(),
                    advice: "correct init=".into(),
                })
                .into(),
            ),
            "the root 10.0.0.1:/srv/x has no /sbin/init",
            "correct init=",
        ),
        (
            not_executable(NotExecutable::WrongArchitecture(183)),
            "/sbin/init of the root 10.0.0.1:/srv/x is for aarch64 and this machine is",
            "made for this machine's processor",
        ),
        (
            not_executable(NotExecutable::NoLink("/lib64/ld.so".into())),
            "is run by /lib64/ld.so, which the root has as /usr/lib64/ld.so only",
            "make the link lib64 in the exported directory (ln -s usr/lib64 lib64)",
        ),
        (
            nfs(NfsFault::Flavours {
                server: SERVER,
                path: path(),
                wanted: "Kerberos (sec=krb5)".into(),
            }),
            "10.0.0.1 exports /srv/x to clients with Kerberos (sec=krb5) only",
            "allow sec=sys",
        ),
        (
            not_executable(NotExecutable::NotAProgram),
            "is neither a program nor a script",
            "init=",
        ),
        (
            not_executable(NotExecutable::NoInterpreter("/lib/ld.so".into())),
            "is run by /lib/ld.so, which the root does not have",
            "complete the root",
        ),
    ];
    for (failure, cause, cure) in table {
        let sentence = failure.to_string();
        assert!(sentence.contains(cause), "{cause}: {sentence}");
        let advice = sentence.split_once("; ").map(|(_, advice)| advice);
        assert!(
            advice.is_some_and(|advice| advice.contains(cure)),
            "{cure}: {sentence}"
        );
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}
