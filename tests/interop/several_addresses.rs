//! An interface with several addresses, of which the boot network's is not the first (vyos/vyos-1x#1036, PJO2/tftpd64#17).

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Dnsmasq, Net, NetrootServe, TinyRoot};
use netroot_proto::dhcp::{MessageType, code};

use crate::firmware::{ask, lease, message, server_id};
use crate::lan::TIMEOUT;
use crate::support::root_handle;

/// The office's address, and that of the boot network.
const OFFICE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 5);
const BOOT: Ipv4Addr = Ipv4Addr::new(10, 77, 9, 1);
const RANGE: &str = "10.77.9.100-10.77.9.120";

/// Dropped in this order: who uses a network before the network.
struct Lab {
    machine: Net,
    root: TinyRoot,
    initrd: String,
    net: Net,
}

impl Lab {
    /// The server's interface has the boot network's address second; `label` is that address's.
    fn new(name: &str, label: &str) -> Result<Self> {
        let root = TinyRoot::without_init()?;
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "192.168.77.5/24")?;
        net.shell(&format!("ip addr add 10.77.9.1/24 dev br0 {label}"))?;
        let machine = Net::new(&format!("{name}-machine"))?;
        net.cable(&bridge, &machine, "eth0", "10.77.9.50/24")?;
        machine.shell("ip addr add 192.168.77.50/24 dev eth0; ip route add default dev eth0")?;
        let initrd = net.logs().join("initrd.img");
        std::fs::write(&initrd, "the bytes of an initrd")?;
        let initrd = initrd.display().to_string();
        Ok(Self {
            machine,
            root,
            initrd,
            net,
        })
    }

    fn serve(&self, arguments: &[&str]) -> Result<NetrootServe> {
        let mut all = vec!["--initrd", &self.initrd];
        all.extend(arguments);
        NetrootServe::start(&self.net, self.root.path(), &all)
    }

    /// Files by TFTP and HTTP and the root by NFS, at this address.
    fn assert_serves(&self, address: Ipv4Addr) -> Result<()> {
        let url = format!("http://{address}:8069/boot.ipxe");
        let script = self.machine.run(&["curl", "-sS", "--fail", &url])?;
        let nfsroot = format!(" nfsroot={address}:/");
        ensure!(script.contains(&nfsroot), "{script}");
        let by_tftp = format!("tftp://{address}/autoexec.ipxe");
        let script = self.machine.run(&["curl", "-sS", "--fail", &by_tftp])?;
        ensure!(script.starts_with("#!ipxe"), "{script}");
        let nfs = SocketAddr::new(address.into(), 2049);
        self.machine.within(|| {
            let _ = root_handle(nfs, "/");
            Ok(())
        })
    }
}

#[test]
fn a_range_picks_the_address_that_it_fits_and_every_address_serves() -> Result<()> {
    for label in ["", "label br0:1"] {
        let lab = Lab::new("second-address", label)?;
        let server = lab.serve(&["--no-probe", "--dhcp", RANGE])?;
        let ready = server.output().text();
        ensure!(
            ready.contains("on br0 (10.77.9.1/24, 192.168.77.5/24): DHCP "),
            "{ready}"
        );
        let ack = lease(&lab.machine, &[])?;
        ensure!(server_id(&ack)? == BOOT && ack.header.next_server == BOOT);
        ensure!(ack.header.your_ip.octets()[..3] == [10, 77, 9], "{ack:?}");
        for address in [BOOT, OFFICE] {
            lab.assert_serves(address)?;
        }
    }
    Ok(())
}

#[test]
fn two_ranges_of_one_interface_are_one_link() -> Result<()> {
    let lab = Lab::new("two-ranges", "")?;
    let office = "192.168.77.200-192.168.77.210";
    let _server = lab.serve(&["--no-probe", "--dhcp", office, "--dhcp", RANGE])?;
    let first = lease(&lab.machine, &[])?;
    ensure!(server_id(&first)? == OFFICE, "{first:?}");
    // It asks for an address of the other range, and has one already: it keeps that.
    let asks = [(code::REQUESTED_ADDRESS, &[10, 77, 9, 110][..])];
    let again = lease(&lab.machine, &asks)?;
    ensure!(again.header.your_ip == first.header.your_ip, "{again:?}");
    Ok(())
}

/// Beside another DHCP server nothing in a DISCOVER tells the network that the machine will be in.
#[test]
fn beside_another_server_machines_know_the_address_in_the_network_of_its_leases() -> Result<()> {
    let lab = Lab::new("second-address-proxy", "label br0:1")?;
    // Firmware has no address to send from.
    lab.machine
        .shell("ip addr flush dev eth0; ip route add default dev eth0")?;
    let discover = message(MessageType::Discover, &[]);
    let known_by = |mut server: NetrootServe| {
        let offer = ask(&lab.machine, &discover)?;
        ensure!(offer.header.your_ip.is_unspecified(), "{offer:?}");
        // The next one needs its ports.
        server.terminate()?;
        server_id(&offer)
    };
    ensure!(known_by(lab.serve(&["--no-probe"])?)? == OFFICE);
    ensure!(known_by(lab.serve(&["--no-probe", "--address", "10.77.9.1"])?)? == BOOT);
    ensure!(known_by(lab.serve(&["--no-probe", "--interface", "br0:1"])?)? == BOOT);

    let router = Net::new("second-address-proxy-router")?;
    let bridge = netroot_harness::Bridge("br0".to_owned());
    lab.net.cable(&bridge, &router, "lan", "10.77.9.254/24")?;
    let _dnsmasq = Dnsmasq::start(&router, "lan", "10.77.9.130", "10.77.9.139", &[])?;
    let server = lab.serve(&[])?;
    router.shell("ip link set dev lan down")?;
    ensure!(known_by(server)? == BOOT, "the probe's answer");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_the_cure() -> Result<()> {
    let lab = Lab::new("wrong-address", "label br0:1")?;
    for (arguments, sentence) in [
        (
            ["--dhcp", "10.88.0.100-10.88.0.200"],
            "is in none of br0's networks (192.168.77.0/24, 10.77.9.0/24): choose addresses there, or give br0 an \
             address in the range's network; if it is for machines behind a relay, give the length of their network's \
             prefix: --dhcp 10.88.0.100-10.88.0.200/24",
        ),
        (
            ["--interface", "br0:7"],
            "no address of br0 has the label br0:7; it has 192.168.77.5/24, 10.77.9.1/24 (br0:1)",
        ),
        (
            ["--address", "10.5.5.5"],
            "10.5.5.5 is not an address of this machine, which has lo (127.0.0.1/8), br0 (192.168.77.5/24, 10.77.9.1/24)",
        ),
    ] {
        let all = [&["--initrd", &lab.initrd][..], &arguments].concat();
        let server = NetrootServe::start_unready(&lab.net, lab.root.path(), &all)?;
        let done = server.into_program().wait(TIMEOUT).context("its end")?;
        ensure!(
            !done.status.success() && done.stderr.contains(sentence),
            "{done:?}"
        );
    }
    Ok(())
}
