//! The real init against NFS servers that are hostile, broken or dying.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use netroot_harness::{Clients, Ganesha, Net, Nic, TinyRoot, Vm};

use crate::lan::{Facts, Lan, MACHINE, SERVER, STATIC, TIMEOUT};
use crate::rpc_peer::{Call, MOUNT, NFS, PORTMAPPER, RpcPeer, Then, record, reply};

/// The ports of the portmapper, of NFS and of MOUNT.
const PORTS: [u16; 3] = [111, 2049, 20048];
/// The source ports for servers that require a port below 1024 (`crates/init/src/root/nfs/stream.rs`).
const OWN_PORTS: std::ops::RangeInclusive<u16> = 600..=664;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug)]
enum Vice {
    Closes,
    Stalls,
    /// It announces a record of two gigabytes, and sends the beginning of it.
    Announces,
    /// It sends a record of fragments without a byte in them, and no last one.
    NeverEnds,
    /// It sends invalid replies, a different kind on each connection.
    Garbles,
    /// It grants the mount, and ends before the kernel mounts.
    Dies,
}

impl Vice {
    fn answer(self, call: &Call) -> Then {
        match self {
            Self::Closes => Then::Close,
            Self::Stalls => Then::Stall,
            Self::Announces => Then::Bytes(vec![0xff; 64 << 10]),
            Self::NeverEnds => Then::Endless(vec![0; 64 << 10]),
            Self::Garbles => Then::Bytes(garbage(call)),
            Self::Dies => works_until_mounted(call),
        }
    }
}

/// Invalid replies.
fn garbage(call: &Call) -> Vec<u8> {
    match call.connection % 5 {
        // The reply to another call.
        0 => reply(
            &Call {
                xid: call.xid.wrapping_add(77),
                ..*call
            },
            0,
            &[2049],
        ),
        // Half of a reply, and nothing more.
        1 => reply(call, 0, &[2049]).into_iter().take(14).collect(),
        // A verifier of four gigabytes, more than the machine's memory.
        2 => record(&[call.xid, 1, 0, 0, 0xffff_fff0, 0, 0]),
        // MOUNT's list of as many flavors, after a valid handle.
        3 => reply(call, 0, &[0, 8, 1, 2, u32::MAX, 1]),
        _ => b"\x80\0\0\x1cHTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    }
}

/// The replies of a server that works until it has granted the mount.
fn works_until_mounted(call: &Call) -> Then {
    match (call.program, call.procedure) {
        // GETPORT names MOUNT or NFS after the call's header: one port serves both.
        (PORTMAPPER, _) => Then::Reply(0, vec![2049]),
        (MOUNT, 1) => Then::Reply(0, vec![0, 8, 1, 2, 1, 1]),
        // FSINFO and LOOKUP fail for a reason that the mount will report: NFS3ERR_SERVERFAULT, without attributes.
        (NFS, 19) => Then::Reply(0, vec![10006, 0]),
        (NFS, 3) => Then::ReplyThenExit(vec![10006, 0]),
        _ => Then::Reply(0, vec![]),
    }
}

/// Hostile servers, each on its own machine, at 10.77.0.11 and upwards.
fn start(lan: &Lan, vices: &[Vice]) -> Result<(Net, Vec<RpcPeer>)> {
    let logs = lan.net.logs().file_name().context("a folder of logs")?;
    let others = Net::new(&format!("{}-servers", logs.to_string_lossy()))?;
    lan.net
        .cable(&lan.bridge, &others, "hostile", "10.77.0.10/24")?;
    let mut peers = Vec::new();
    for (vice, last) in vices.iter().zip(11..) {
        let (vice, address) = (*vice, Ipv4Addr::new(10, 77, 0, last));
        others.shell(&format!("ip addr add {address}/24 dev hostile"))?;
        let answer = move |call: &Call| vice.answer(call);
        peers.push(RpcPeer::start(&others, address, &PORTS, answer)?);
    }
    Ok((others, peers))
}

/// `10.77.0.11|10.77.0.12|…`, as many as there are.
fn list(peers: &[RpcPeer]) -> String {
    let addresses: Vec<String> = peers
        .iter()
        .zip(11..)
        .map(|(_, last)| format!("10.77.0.{last}"))
        .collect();
    addresses.join("|")
}

#[test]
fn behind_six_hostile_servers_the_good_one_is_found() -> Result<()> {
    let lan = Lan::new("hostile-and-good")?;
    let root = TinyRoot::make()?;
    let vices = [
        Vice::Closes,
        Vice::Stalls,
        Vice::Announces,
        Vice::Garbles,
        Vice::Dies,
        Vice::NeverEnds,
    ];
    let (_others, peers) = start(&lan, &vices)?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let nfsroot = format!("nfsroot={}|{SERVER}:/srv/root", list(&peers));
    let vm = lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    Facts::of(&vm)?.assert_read_only_nfs();
    // Stalled servers are not waited for, and those that send without end are left.
    for hostile in ["10.77.0.11", "10.77.0.13", "10.77.0.16"] {
        let message = format!("{hostile} cannot be used: ");
        assert!(vm.console().contains(&message), "{hostile}");
    }
    // It was chosen, since it comes first, and could not be mounted.
    assert!(vm.console().contains("; trying the next server"));
    let mounted = format!("netroot: mounted {SERVER}:/srv/root (");
    assert!(vm.console().contains(&mounted));
    Ok(())
}

/// Waits for one more failure and its retry.
fn failure_after(vm: &Vm, end: usize) -> Result<usize> {
    let failed = vm.console().wait_after(
        end,
        "netroot: boot failed: cannot mount the root 10.77.0.11:/srv/root: ",
        "the failure's sentence",
        TIMEOUT,
    )?;
    assert!(failed.line.contains("; "), "no advice: {}", failed.line);
    let again = "netroot: trying again in ";
    let seen = vm
        .console()
        .wait_after(failed.end, again, "another try", TIMEOUT)?;
    Ok(seen.end)
}

#[test]
fn hostile_servers_exhaust_neither_memory_nor_ports() -> Result<()> {
    let lan = Lan::new("hostile-alone")?;
    // As many as a command line may name.
    let vices = [
        Vice::Closes,
        Vice::Stalls,
        Vice::Announces,
        Vice::Garbles,
        Vice::NeverEnds,
        Vice::Closes,
        Vice::Stalls,
        Vice::Garbles,
    ];
    let (_others, peers) = start(&lan, &vices)?;
    // With port options, each server is called from a reserved port.
    let nfsroot = format!(
        "nfsroot={}:/srv/root,port=2049,mountport=20048",
        list(&peers)
    );
    let machine = lan
        .machine()
        .memory_mib(256)
        .counted()
        .nic(Nic::virtio(&lan.tap, MACHINE));
    let mut vm = lan.boot_with(machine, &format!("root=/dev/nfs {nfsroot} {STATIC} ro"))?;
    let mut end = failure_after(&vm, 0)?;
    let before = vm.touched()?;
    let connections = || peers.iter().flat_map(RpcPeer::connections);
    // Until more calls came from reserved ports than such ports exist.
    while connections().filter(|c| c.from < 1024).count() <= OWN_PORTS.count() {
        end = failure_after(&vm, end)?;
    }
    // The portmapper is called from any port, and so is NULL: no server refuses those for their port.
    let of_weight =
        connections().filter(|c| c.to != 111 && c.first.is_none_or(|call| call.procedure != 0));
    for connection in of_weight {
        assert!(OWN_PORTS.contains(&connection.from), "{connection:?}");
    }
    let grown = vm.touched()?.saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more than after one failure");
    let text = vm.console().text();
    let count = |what: &str| text.matches(what).count();
    assert_eq!(
        count("netroot: boot failed: "),
        count("netroot: trying again in "),
        "one sentence an attempt"
    );
    assert!(vm.running()?);
    Ok(())
}
