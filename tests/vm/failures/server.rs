//! Failures from the server's address to its RPC programs.

use std::io::{Read, Write};
use std::net::TcpListener;

use anyhow::Result;
use netroot_harness::{Clients, Ganesha, TinyRoot, Vm};

use super::{PORTS, assert_fails_with};
use crate::lan::{Lan, SERVER, STATIC};

/// A machine whose root is on the server on the network, with these options.
fn boot(lan: &Lan, options: &str) -> Result<Vm> {
    let nfsroot = format!("nfsroot={SERVER}:/srv/root,{options}");
    lan.boot(&format!("root=/dev/nfs {nfsroot} {STATIC}"))
}

/// A firewall on the server that drops packets to these ports.
fn swallow(lan: &Lan, ports: &str) -> Result<()> {
    let rules = format!(
        "add table inet firewall
         add chain inet firewall input {{ type filter hook input priority 0; }}
         add rule inet firewall input tcp dport {{ {ports} }} drop"
    );
    lan.net.run(&["nft", &rules])?;
    Ok(())
}

/// A working server behind a firewall.
fn behind_a_firewall(name: &str, ports: &str) -> Result<(Lan, TinyRoot, Ganesha)> {
    let lan = Lan::new(name)?;
    let root = TinyRoot::make()?;
    let ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    swallow(&lan, ports)?;
    Ok((lan, root, ganesha))
}

#[test]
fn a_firewalled_portmapper_is_reported_with_its_port() -> Result<()> {
    let (lan, _root, _ganesha) = behind_a_firewall("firewall-111", "111")?;
    let mut vm = boot(&lan, "vers=3")?;
    let sentence = format!(
        "nothing answers at {SERVER} port 111 (portmapper); {SERVER} is up (it answers ARP): check that no firewall on it drops port 111"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn a_firewalled_nfs_server_is_reported_with_its_port() -> Result<()> {
    let (lan, _root, _ganesha) = behind_a_firewall("firewall-2049", "2049")?;
    let mut vm = boot(&lan, "vers=3")?;
    let sentence = format!(
        "nothing answers at {SERVER} port 2049 (NFS server, version 3); {SERVER} is up (it answers ARP): check that no firewall on it drops port 2049"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn packet_loss_is_not_mistaken_for_a_firewall() -> Result<()> {
    // A lossy network: no TCP arrives, and only every other ARP frame.
    let (lan, _root, _ganesha) = behind_a_firewall("loss-counted", "2049")?;
    let tap = &lan.tap.0;
    let rules = format!(
        "add table netdev half
         add chain netdev half lossy {{ type filter hook ingress device {tap} priority 0; }}
         add rule netdev half lossy ether type arp numgen inc mod 2 == 0 drop"
    );
    lan.net.run(&["nft", &rules])?;
    let mut vm = boot(&lan, "vers=3")?;
    let sentence = format!(
        "nothing answers at {SERVER} port 2049 (NFS server, version 3); the network loses frames ({SERVER} answers "
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn a_server_without_nfs_is_reported_with_the_port() -> Result<()> {
    let lan = Lan::new("closed-port")?;
    let mut vm = boot(&lan, PORTS)?;
    let sentence = format!("{SERVER} refuses connections on port 2049 (MOUNT server, version 3)");
    assert_fails_with(&mut vm, &sentence)
}

/// A program that listens where NFS should.
fn listen(lan: &Lan) -> Result<TcpListener> {
    lan.net
        .within(|| Ok(TcpListener::bind(format!("{SERVER}:2049"))?))
}

#[test]
fn a_mute_port_is_distinguished_from_a_closed_one() -> Result<()> {
    let lan = Lan::new("mute-port")?;
    // The kernel accepts connections; nothing reads from them.
    let _mute = listen(&lan)?;
    let mut vm = boot(&lan, PORTS)?;
    let sentence = format!(
        "{SERVER} accepts connections on port 2049 but answers nothing there, not even an empty call (NULL) to the MOUNT server, version 3"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn a_web_server_on_the_nfs_port_is_reported() -> Result<()> {
    let lan = Lan::new("web-port")?;
    let web = listen(&lan)?;
    // It ends with the test: detached, as it waits for connections.
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let mut call = [0; 1024];
            let _ = stream.read(&mut call);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    let mut vm = boot(&lan, PORTS)?;
    let sentence = format!(
        "what listens on port 2049 of {SERVER} is not the MOUNT server, version 3: it does not speak RPC"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn an_rpc_server_of_another_program_is_reported() -> Result<()> {
    let lan = Lan::new("other-program")?;
    let _rpcbind = lan.net.spawn(&["rpcbind", "-f", "-w"])?;
    let mut vm = boot(&lan, "vers=3,port=111,mountport=111")?;
    let sentence = format!(
        "what listens on port 111 of {SERVER} speaks RPC but is not the MOUNT server, version 3"
    );
    assert_fails_with(&mut vm, &sentence)
}

#[test]
fn a_portmapper_without_nfs_is_reported() -> Result<()> {
    let lan = Lan::new("unregistered")?;
    let _rpcbind = lan.net.spawn(&["rpcbind", "-f", "-w"])?;
    let mut vm = boot(&lan, "vers=3")?;
    let sentence = format!(
        "the portmapper of {SERVER} does not know the NFS server, version 3; start the NFS server, version 3 on {SERVER}"
    );
    assert_fails_with(&mut vm, &sentence)
}
