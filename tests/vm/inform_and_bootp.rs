//! Addresses without DISCOVER and REQUEST: static ones completed by DHCPINFORM, and those
//! from BOOTP.

use anyhow::Result;
use netroot_harness::{Clients, Dnsmasq, Ganesha, TinyRoot};

use crate::lan::{Facts, Lan, SERVER, TIMEOUT};

/// A static address without a root, a router or name servers.
const BARE: &str = "ip=10.77.0.50:::255.255.255.0::eth0:off";

#[test]
fn a_static_address_learns_its_root_from_another_dhcp_server() -> Result<()> {
    let lan = Lan::new("inform")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let root_path = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let options = [
        root_path.as_str(),
        "--dhcp-option=3,10.77.0.254",
        "--dhcp-option=6,10.77.0.53",
        "--dhcp-option=12,from-dhcp",
        "--dhcp-option=15,lab.example",
    ];
    let dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    let vm = lan.boot(&format!("root=dhcp {BARE} ro"))?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    assert_eq!(facts.all("hostname"), "from-dhcp");
    let log = dnsmasq.log().text();
    assert!(log.contains("DHCPINFORM(br0) 10.77.0.50"), "{log}");
    assert!(log.contains("DHCPACK(br0) 10.77.0.50"), "{log}");
    assert!(!log.contains("DHCPDISCOVER"), "{log}");
    assert!(facts.all("route").contains("00000000\tFE004D0A"));
    let console = vm.console().text();
    assert!(
        console.contains(
            "eth0: the command line does not give a root; asking DHCP servers (DHCPINFORM)"
        ),
        "{console}"
    );
    assert!(console.contains("(DHCP option 17)"), "{console}");
    Ok(())
}

#[test]
fn a_static_address_learns_its_root_from_our_proxy_beside_a_router() -> Result<()> {
    let lan = Lan::new("inform-proxy")?;
    let router = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &[])?;
    let other = netroot_harness::Net::new("inform-proxy-server")?;
    lan.net.cable(&lan.bridge, &other, "br0", "10.77.0.2/24")?;
    let root = TinyRoot::make()?;
    let arguments = ["--interface", "br0", "--modules", "virtio_net"];
    let server = netroot_harness::NetrootServe::start(&other, root.path(), &arguments)?;
    let vm = lan.boot(&format!("root=dhcp {BARE} ro rd.overlay"))?;
    let facts = Facts::of(&vm)?;
    facts.assert_overlay();
    vm.wait_for(
        "netroot: root 10.77.0.2:/",
        "the root on our server",
        TIMEOUT,
    )?;
    let log = router.log().text();
    assert!(log.contains("DHCPACK(br0) 10.77.0.50"), "{log}");
    let logged = |kind: &str| server.events().iter().any(|(_, event)| event.kind == kind);
    assert!(logged("root-ack"), "{:#?}", server.events());
    Ok(())
}

#[test]
fn an_unanswered_inform_reports_what_is_missing_and_a_complete_configuration_sends_none()
-> Result<()> {
    let lan = Lan::new("inform-nobody")?;
    let mut vm = lan.boot(&format!("root=dhcp {BARE}"))?;
    vm.wait_for(
        "eth0: no DHCP server answered within 4 s; a root is still missing",
        "the sentence about silence",
        TIMEOUT,
    )?;
    let failed = vm.wait_for("netroot: boot failed: no root: ", "the failure", TIMEOUT)?;
    assert!(
        failed.line.contains("option 17 (root-path)"),
        "{}",
        failed.line
    );
    assert!(vm.running()?);
    drop(vm);
    // No server is there, but no request is needed to find out.
    let vm = lan.boot(&format!("root={SERVER}:/srv/root {BARE}"))?;
    vm.wait_for("netroot: boot failed: cannot mount", "the failure", TIMEOUT)?;
    assert!(!vm.console().contains("DHCPINFORM"));
    Ok(())
}

#[test]
fn a_static_address_is_completed_as_soon_as_a_server_answers() -> Result<()> {
    let lan = Lan::new("inform-late")?;
    let root = TinyRoot::make()?;
    let _ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let vm = lan.boot(&format!("root=dhcp {BARE} ro"))?;
    vm.wait_for("netroot: trying again in ", "a first failure", TIMEOUT)?;
    let root_path = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let options = [root_path.as_str()];
    let _dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    Facts::of(&vm)?.assert_read_only_nfs();
    Ok(())
}

/// dnsmasq with an NFS root and further options.
fn serve_bootp(lan: &Lan, more: &[&str]) -> Result<(TinyRoot, Ganesha, Dnsmasq)> {
    let root = TinyRoot::make()?;
    let ganesha = Ganesha::start(&lan.net, root.path(), "/srv/root", &Clients::All)?;
    let root_path = format!("--dhcp-option=17,{SERVER}:/srv/root");
    let options = [&[root_path.as_str(), "--bootp-dynamic"], more].concat();
    let dnsmasq = Dnsmasq::start(&lan.net, "br0", "10.77.0.100", "10.77.0.199", &options)?;
    Ok((root, ganesha, dnsmasq))
}

#[test]
fn ip_bootp_sends_only_bootp_requests() -> Result<()> {
    let lan = Lan::new("bootp")?;
    let (_root, _ganesha, dnsmasq) = serve_bootp(&lan, &["--dhcp-option=3,10.77.0.254"])?;
    let vm = lan.boot("root=dhcp ip=bootp ro")?;
    let facts = Facts::of(&vm)?;
    facts.assert_read_only_nfs();
    let log = dnsmasq.log().text();
    assert!(log.contains("BOOTP(br0) 10.77.0.1"), "{log}");
    for message in ["DHCPDISCOVER", "DHCPREQUEST", "DHCPINFORM"] {
        assert!(!log.contains(message), "{message}: {log}");
    }
    assert!(facts.all("route").contains("00000000\tFE004D0A"));
    Ok(())
}

#[test]
fn ip_any_accepts_a_bootp_reply() -> Result<()> {
    let lan = Lan::new("bootp-any")?;
    // It ignores DHCP.
    let (_root, _ganesha, dnsmasq) = serve_bootp(&lan, &["--dhcp-ignore=tag:!bootp"])?;
    let vm = lan.boot("root=dhcp ip=any ro")?;
    Facts::of(&vm)?.assert_read_only_nfs();
    let log = dnsmasq.log().text();
    assert!(log.contains("DHCPDISCOVER(br0)"), "{log}");
    assert!(log.contains("BOOTP(br0) 10.77.0.1"), "{log}");
    assert!(!log.contains("DHCPACK"), "{log}");
    Ok(())
}

#[test]
fn a_bootp_timeout_is_reported_as_one() -> Result<()> {
    let lan = Lan::new("bootp-nobody")?;
    let vm = lan.boot("root=dhcp ip=bootp rd.net.timeout.dhcp=5")?;
    let failed = vm.wait_for("netroot: boot failed: ", "the failure", TIMEOUT)?;
    let sentence = "no address: no BOOTP server answered on eth0";
    assert!(failed.line.contains(sentence), "{}", failed.line);
    Ok(())
}
