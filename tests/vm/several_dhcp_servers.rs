//! The choice of a root when several servers answer.

use anyhow::Result;
use netroot_harness::{Clients, Dnsmasq, Ganesha, Net, TinyRoot};

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
