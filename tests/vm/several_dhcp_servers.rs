//! The choice of a root when several servers answer.

use std::time::Duration;

use anyhow::Result;
use netroot_harness::{Clients, Dnsmasq, Ganesha, Net, TinyRoot};
use netroot_sys::packet::PacketSocket;

use crate::lan::{Facts, Lan, SERVER, TIMEOUT};

/// A router on another machine of the network: it leases addresses, without a root.
pub(crate) fn router(lan: &Lan, name: &str, options: &[&str]) -> Result<(Net, Dnsmasq)> {
    let net = Net::new(&format!("{name}-router"))?;
    lan.net.cable(&lan.bridge, &net, "lan", "10.77.0.254/24")?;
    let dnsmasq = Dnsmasq::start(&net, "lan", "10.77.0.100", "10.77.0.149", options)?;
    Ok((net, dnsmasq))
}

#[test]
fn beside_a_plain_router_our_proxy_names_the_root() -> Result<()> {
    let lan = Lan::new("proxy-root")?;
    let (_net, dnsmasq) = router(&lan, "proxy-root", &["--dhcp-option=3,10.77.0.254"])?;
    let root = TinyRoot::make()?;
    let server = lan.serve_beside(root.path())?;
    let vm = lan.boot("root=dhcp ip=dhcp ro rd.overlay")?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    vm.wait_for(
        &format!("netroot: root {SERVER}:/"),
        "the root on our server",
        TIMEOUT,
    )?;
    assert!(dnsmasq.log().contains("DHCPACK(lan) 10.77.0."));
    assert!(
        facts.all("route").contains("00000000\tFE004D0A"),
        "the router's route: {}",
        facts.all("route")
    );
    let offered = server
        .events()
        .into_iter()
        .any(|(_, event)| event.kind == "root-offer");
    assert!(offered, "{:#?}", server.events());
    Ok(())
}

#[test]
fn a_server_with_a_root_wins_over_a_faster_one_without() -> Result<()> {
    let lan = Lan::new("rogue-first")?;
    let (_net, rogue) = router(&lan, "rogue-first", &["--no-ping"])?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let root_path = format!("--dhcp-option=17,{SERVER}:/srv/root");
    // RFC 4039: one exchange if the server supports it.
    let options = [root_path.as_str(), "--no-ping", "--dhcp-rapid-commit"];
    let ours = Dnsmasq::start(&lan.net, "br0", "10.77.0.150", "10.77.0.199", &options)?;
    let vm = lan.boot("root=dhcp ip=dhcp ro")?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    assert!(rogue.log().contains("DHCPOFFER(lan)"));
    assert!(!rogue.log().contains("DHCPACK(lan)"));
    assert!(ours.log().contains("DHCPACK(br0)"));
    assert!(!ours.log().contains("DHCPREQUEST(br0)"), "rapid commit");
    Ok(())
}

#[test]
fn an_address_in_use_is_declined() -> Result<()> {
    let lan = Lan::new("conflict")?;
    let options = ["--dhcp-sequential-ip", "--dhcp-option=3,10.77.0.254"];
    let (_net, dnsmasq) = router(&lan, "conflict", &options)?;
    let squatter = Net::new("conflict-squatter")?;
    lan.net
        .cable(&lan.bridge, &squatter, "taken", "10.77.0.100/24")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    let vm = lan.boot("root=dhcp ip=dhcp ro rd.overlay")?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    let log = dnsmasq.log().text();
    assert!(log.contains("DHCPDECLINE(lan) 10.77.0.100"), "{log}");
    let addresses = facts.all("fib");
    assert!(addresses.contains("10.77.0.101"), "{addresses}");
    assert!(!addresses.contains("10.77.0.100"), "{addresses}");
    Ok(())
}

/// An ARP announcement of 10.77.0.100 by 02:00:00:00:00:99 (RFC 5227 §3).
const CLAIM: [u8; 42] = *b"\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x99\x08\x06\
    \x00\x01\x08\x00\x06\x04\x00\x02\x02\x00\x00\x00\x00\x99\x0a\x4d\x00\x64\
    \xff\xff\xff\xff\xff\xff\x0a\x4d\x00\x64";

#[test]
fn an_address_that_its_owner_claims_late_is_given_back() -> Result<()> {
    let lan = Lan::new("late-claim")?;
    let options = ["--dhcp-sequential-ip", "--dhcp-option=3,10.77.0.254"];
    let (_net, dnsmasq) = router(&lan, "late-claim", &options)?;
    let sleeper = Net::new("late-claim-sleeper")?;
    lan.net
        .cable(&lan.bridge, &sleeper, "slow", "10.77.0.99/24")?;
    let root = TinyRoot::make()?;
    let _server = lan.serve_beside(root.path())?;
    // The boot does not wait for a slow answer: what is claimed before the root is mounted counts.
    let vm = lan.boot("root=dhcp ip=dhcp ro rd.overlay rootdelay=20")?;
    vm.wait_for("lease 10.77.0.100", "the lease", TIMEOUT)?;
    sleeper.within(|| {
        let index = nix::net::if_::if_nametoindex("slow")?;
        let socket = PacketSocket::for_arp(index)?;
        for _ in 0..10 {
            socket.send(&CLAIM)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    })?;
    let facts = Facts::of(&vm)?;
    let console = vm.console().text();
    assert!(
        console.contains(
            "10.77.0.100, the address from the DHCP server, is in use by 02:00:00:00:00:99"
        ),
        "{console}"
    );
    assert!(dnsmasq.log().contains("DHCPDECLINE(lan) 10.77.0.100"));
    let addresses = facts.all("fib");
    assert!(!addresses.contains("10.77.0.100"), "{addresses}");
    Ok(())
}
