//! Machines behind dnsmasq's relay (raspberrypi/piserver#125, danderson/pixiecore#30).

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use netroot_harness::{Dnsmasq, Net, NetrootServe, RelayedNetwork, TinyRoot};
use netroot_proto::dhcp::emit::{Draft, LONGEST};
use netroot_proto::dhcp::header::Header;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, SERVER_PORT, code};

use crate::firmware::{self, MACHINE, ask, lease, message, say, server_id};
use crate::lan::{SERVER, TIMEOUT};
use crate::support::root_handle;

/// The other DHCP server of the tests as a proxy.
const MAIN: &str = "10.77.0.2";

/// Dropped in this order: who uses a network before the network.
struct Lab {
    server: NetrootServe,
    machine: Net,
    relayed: RelayedNetwork,
    main: Net,
    _root: TinyRoot,
    net: Net,
}

impl Lab {
    fn new(name: &str, arguments: &[&str]) -> Result<Self> {
        let root = TinyRoot::without_init()?;
        let net = Net::new(name)?;
        let bridge = net.bridge("br0", "10.77.0.1/24")?;
        let main = Net::new(&format!("{name}-main"))?;
        net.cable(&bridge, &main, "lan", "10.77.0.2/24")?;
        main.shell("ip route add default via 10.77.0.254")?;
        let relayed = RelayedNetwork::new(name, &net, &bridge, &["10.77.0.1", MAIN])?;
        let machine = Net::new(&format!("{name}-machine"))?;
        // An address only so that it can send: its lease is another one.
        relayed
            .far
            .cable(&relayed.bridge, &machine, "eth0", "10.88.0.50/24")?;
        machine.shell(&format!("ip route add default via {}", RelayedNetwork::FAR))?;
        let initrd = net.logs().join("initrd.img");
        std::fs::write(&initrd, "the bytes of an initrd")?;
        let initrd = initrd.display().to_string();
        let mut all = vec!["--no-probe", "--initrd", &initrd];
        all.extend(arguments);
        let server = NetrootServe::start(&net, root.path(), &all)?;
        Ok(Self {
            server,
            machine,
            relayed,
            main,
            _root: root,
            net,
        })
    }

    /// Files and the root, as the machine gets them.
    fn assert_serves(&self) -> Result<()> {
        let url = format!("tftp://{SERVER}/autoexec.ipxe");
        let script = self.machine.run(&["curl", "-sS", "--fail", &url])?;
        ensure!(
            script.contains(&format!("http://{SERVER}:8069/")),
            "{script}"
        );
        let nfs = SocketAddr::new(SERVER.into(), 2049);
        self.machine.within(|| {
            let _ = root_handle(nfs, "/");
            Ok(())
        })
    }

    /// Waits for the line about a machine that is not answered.
    fn told(&self, sentence: &str) -> Result<()> {
        say(&self.machine, &message(MessageType::Discover, &[]))?;
        self.server
            .output()
            .wait_for(sentence, "the reason and its cure", TIMEOUT)?;
        Ok(())
    }
}

#[test]
fn a_range_of_the_relays_network_is_for_its_machines() -> Result<()> {
    let here = "10.77.0.100-10.77.0.110";
    let there = "10.88.0.100-10.88.0.110/24";
    let lab = Lab::new("relay-dhcp", &["--dhcp", here, "--dhcp", there])?;
    let ack = lease(&lab.machine, &[])?;
    let own = ack.header.your_ip;
    ensure!(own.octets()[..3] == [10, 88, 0], "{ack:?}");
    ensure!(server_id(&ack)? == SERVER);
    let router = ack.options.addresses(code::ROUTERS);
    ensure!(
        router == [RelayedNetwork::FAR.parse::<Ipv4Addr>()?],
        "{ack:?}"
    );
    ensure!(ack.boot_file().is_some(), "{ack:?}");
    lab.machine.shell(&format!(
        "ip addr flush dev eth0
         ip addr add {own}/24 dev eth0
         ip route add default via {}",
        RelayedNetwork::FAR
    ))?;
    lab.assert_serves()?;
    // It renews by itself.
    let mut header = Header::of_client(MACHINE, 77);
    header.client_ip = own;
    let mut draft = Draft::new(header);
    draft.push(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
    let renews = draft.emit(LONGEST).bytes;
    let renewed = lab.machine.within(|| {
        let socket = firmware::client_socket(own)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send_to(&renews, (SERVER, SERVER_PORT))?;
        let mut buffer = [0; 2000];
        let (length, _) = socket.recv_from(&mut buffer).context("no answer")?;
        Ok(Message::read(buffer.get(..length).unwrap_or_default())?)
    })?;
    ensure!(renewed.kind() == Some(MessageType::Ack) && renewed.header.your_ip == own);
    ensure!(renewed.options.addresses(code::ROUTERS) == router);
    // The machines of the server's own network have theirs.
    lab.main.shell("ip route replace default dev lan")?;
    let near = lease(&lab.main, &[])?;
    ensure!(near.header.your_ip.octets()[..3] == [10, 77, 0], "{near:?}");
    Ok(())
}

#[test]
fn a_relay_without_a_range_is_told_of_with_the_option() -> Result<()> {
    let lab = Lab::new("relay-no-range", &["--dhcp", "10.77.0.100-10.77.0.110"])?;
    lab.told(
        "it came by the relay 10.88.0.1 from a network without a range; give addresses there, for example: --dhcp \
         10.88.0.100-10.88.0.200/24, or if another server does, allow it to boot: --allow 10.88.0.0/24",
    )
}

#[test]
fn a_proxy_tells_a_relays_machine_nothing_that_mount_would_refuse() -> Result<()> {
    let lab = Lab::new("relay-refused", &[])?;
    lab.told(
        "it came by the relay 10.88.0.1 from a network that may not mount the root; allow that network, for example: \
         --allow 10.88.0.0/24",
    )
}

#[test]
fn a_proxy_answers_a_relays_machine_whose_network_is_allowed() -> Result<()> {
    for role in [&[][..], &["--dhcp", "10.77.0.100-10.77.0.110"]] {
        let arguments = [&["--allow", "10.88.0.0/24"], role].concat();
        let lab = Lab::new("relay-proxy", &arguments)?;
        let offer = ask(&lab.machine, &message(MessageType::Discover, &[]))?;
        ensure!(offer.header.your_ip.is_unspecified(), "{offer:?}");
        ensure!(server_id(&offer)? == SERVER && offer.boot_file().is_some());
        lab.assert_serves()?;
        // The local network may still mount.
        let nfs = SocketAddr::new(SERVER.into(), 2049);
        lab.main.within(|| {
            let _ = root_handle(nfs, "/");
            Ok(())
        })?;
        let main = Dnsmasq::start(&lab.main, "lan", "10.88.0.100", "10.88.0.110", &[])?;
        say(&lab.machine, &message(MessageType::Discover, &[]))?;
        main.log().wait_for(
            "DHCPOFFER(lan) 10.88.0.1",
            "the other server's offer",
            TIMEOUT,
        )?;
    }
    Ok(())
}

/// A range for a relay's network alone: beside the server of the local network it is a proxy.
#[test]
fn a_range_behind_a_relay_leaves_the_local_network_to_its_own_server() -> Result<()> {
    let lab = Lab::new("relay-only", &["--dhcp", "10.88.0.100-10.88.0.110/24"])?;
    let ready = lab.server.output().text();
    let both = "ProxyDHCP, behind relays DHCP 10.88.0.100-10.88.0.110, TFTP";
    ensure!(ready.contains(both), "{ready}");
    let far = lease(&lab.machine, &[])?;
    ensure!(far.header.your_ip.octets()[..3] == [10, 88, 0], "{far:?}");
    lab.main.shell("ip route replace default dev lan")?;
    let near = ask(&lab.main, &message(MessageType::Discover, &[]))?;
    ensure!(near.header.your_ip.is_unspecified() && near.boot_file().is_some());
    ensure!(lab.net.logs().exists() && lab.relayed.router.logs().exists());
    Ok(())
}
