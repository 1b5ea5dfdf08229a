//! The interface of a server is not what it was: machines boot from it as it is now, and the log says so in one line.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use netroot_harness::{Net, NetrootServe, TinyRoot};
use netroot_net::Mac;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::{MessageType, code, frame};
use netroot_proto::pxe::probe::{Asker, Probe};
use netroot_sys::packet::PacketSocket;

use crate::support;

/// The longest that anything may take. No test asserts a duration.
const TIMEOUT: Duration = Duration::from_secs(180);
/// What is logged of a change of the interface.
const CHANGED: &str = "interface-changed";
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const BRIDGE: &str = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0";

/// A server on `br0`, and a machine on its network. Dropped in this order.
struct Lab {
    server: NetrootServe,
    machine: Net,
    net: Net,
    _root: TinyRoot,
    /// The machine's transactions.
    asked: u32,
}

impl Lab {
    fn new(name: &str, arguments: &[&str]) -> Result<Self> {
        let root = TinyRoot::without_init()?;
        let net = Net::new(&format!("world-{name}"))?;
        let bridge = net.bridge("br0", "10.78.0.1/24")?;
        let machine = Net::new(&format!("world-{name}-machine"))?;
        net.cable(&bridge, &machine, "eth0", "10.78.0.66/24")?;
        // Nobody boots from it: it only has to be of some size.
        let initrd = net.logs().join("initrd.img");
        std::fs::write(&initrd, vec![b'i'; 2 << 20]).context("write initrd.img")?;
        let initrd = initrd.display().to_string();
        let mut all = vec!["--no-probe", "--initrd", &initrd, "--portmapper"];
        all.extend(arguments);
        let server = NetrootServe::start(&net, root.path(), &all)?;
        Ok(Self {
            server,
            machine,
            net,
            _root: root,
            asked: 0,
        })
    }

    fn with_range(name: &str) -> Result<Self> {
        let range = "10.78.0.100-10.78.0.199";
        Self::new(name, &["--interface", "br0", "--dhcp", range])
    }

    /// What was logged of changes and of whatever did not work.
    fn told(&self) -> Vec<String> {
        let events = self.server.events().into_iter();
        let told = events.filter(|(_, event)| event.kind == CHANGED || event.kind == "warning");
        told.map(|(_, event)| event.text)
            .filter(|text| !text.contains("is not installed") && !text.contains("no IPv6"))
            .collect()
    }

    /// Waits until this many lines were logged of changes, and asserts the last.
    fn expect_line(&self, number: usize, text: &str) -> Result<()> {
        let end = Instant::now() + TIMEOUT;
        while self.told().len() < number {
            ensure!(Instant::now() < end, "no line {text:?}: {:?}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
        let told = self.told();
        ensure!(
            told.len() == number && told.last().is_some_and(|last| last.contains(text)),
            "not {text:?}: {told:?}"
        );
        Ok(())
    }

    /// The offer to firmware, which asks again until it has one.
    fn offer(&mut self) -> Result<Message> {
        let read = |name: &str| {
            self.machine
                .run(&["cat", &format!("/sys/class/net/eth0/{name}")])
        };
        let mac: Mac = read("address")?.trim().parse()?;
        let index = read("ifindex")?.trim().parse()?;
        let socket = self
            .machine
            .within(|| Ok(PacketSocket::for_dhcp_client(index)?))?;
        self.asked += 1;
        let probe = Probe {
            mac,
            transaction: self.asked,
            asker: Asker::Firmware(7),
        };
        let discover = frame::broadcast((mac, Ipv4Addr::UNSPECIFIED), &probe.discover());
        let end = Instant::now() + TIMEOUT;
        while Instant::now() < end {
            socket.send(&discover)?;
            let again = Instant::now() + Duration::from_secs(1);
            while Instant::now() < again {
                let mut buffer = [0; 1600];
                let Some(length) = socket.receive(&mut buffer)? else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let received = frame::from_server(buffer.get(..length).unwrap_or_default());
                let message = received
                    .map(|from| Message::read(from.message))
                    .transpose()?;
                if let Some(message) = message
                    && message.header.transaction == self.asked
                {
                    return Ok(message);
                }
            }
        }
        bail!("no offer")
    }

    /// Asserts that a machine can boot by this address: DHCP names it, and TFTP, HTTP, MOUNT and the portmapper answer there.
    fn assert_serves(&mut self, address: Ipv4Addr) -> Result<()> {
        let offer = self.offer()?;
        ensure!(offer.kind() == Some(MessageType::Offer), "{offer:?}");
        let server = offer.options.address(code::SERVER_ID);
        ensure!(server == Some(address), "{server:?}");
        self.assert_files(address)?;
        let log = self.server.output().text();
        ensure!(!log.contains("could not be sent"), "{log}");
        Ok(())
    }

    fn assert_files(&self, address: Ipv4Addr) -> Result<()> {
        let at = |port: u16| SocketAddr::from((address, port));
        self.machine.within(|| {
            let mut transfer = Transfer::start(at(69))?;
            transfer.block()?;
            drop(transfer);
            support::root_handle(at(2049), "/");
            std::net::TcpStream::connect(at(111)).context("portmapper")?;
            Ok(())
        })?;
        let url = format!("http://{address}:8069/boot.ipxe");
        let script = self
            .machine
            .run(&["curl", "-sS", "--max-time", "60", &url])?;
        ensure!(script.contains(&address.to_string()), "{script}");
        Ok(())
    }

    /// Exchanges the bridge's address for another one.
    fn readdress(&self, old: &str, new: &str) -> Result<()> {
        // By one process, and not while the server waits for what comes with an earlier change: it tells what is gone
        // when its wait ends.
        std::thread::sleep(Duration::from_secs(1));
        self.net.shell(&format!(
            "ip -batch - << 'END'
addr del {old} dev br0
addr add {new} dev br0
END"
        ))?;
        Ok(())
    }

    /// Deletes the bridge and makes it again, as networking scripts do.
    fn remake(&self, address: &str) -> Result<()> {
        // By one process: the server waits a moment for what was deleted, and tells it if this takes longer.
        self.net.shell(&format!(
            "ip -batch - << 'END'
link del br0
link add br0 {BRIDGE}
addr add {address} dev br0
link set br0 up
link set to-eth0 master br0
END"
        ))?;
        Ok(())
    }
}

/// A TFTP transfer of the initrd, block by block. To be used within the machine.
struct Transfer {
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    block: u16,
}

impl Transfer {
    fn start(server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send_to(b"\0\x01initrd.img\0octet\0", server)?;
        Ok(Self {
            socket,
            peer: None,
            block: 0,
        })
    }

    /// Waits for the next block, and acknowledges it. Returns whether it is the last.
    fn block(&mut self) -> Result<bool> {
        loop {
            let mut buffer = [0; 600];
            let (length, from) = self.socket.recv_from(&mut buffer)?;
            let data = buffer.get(..length).unwrap_or_default();
            ensure!(data.starts_with(&[0, 3]), "not DATA: {data:?}");
            let peer = *self.peer.get_or_insert(from);
            ensure!(from == peer, "{from} instead of {peer}");
            if data.get(2..4) == Some(&self.block.wrapping_add(1).to_be_bytes()) {
                self.block = self.block.wrapping_add(1);
                let ack = [&[0, 4], &self.block.to_be_bytes()[..]].concat();
                self.socket.send_to(&ack, peer)?;
                return Ok(length < 516);
            }
        }
    }
}

#[test]
fn an_address_changes_and_a_second_one_comes_and_goes() -> Result<()> {
    let mut lab = Lab::with_range("address")?;
    lab.assert_serves(FIRST)?;
    lab.readdress("10.78.0.1/24", "10.78.0.2/24")?;
    // At once: what is asked while the address changes is answered, too.
    let early = lab.offer()?;
    ensure!(early.options.address(code::SERVER_ID) == Some(SECOND));
    lab.expect_line(1, "br0: address 10.78.0.1/24 became 10.78.0.2/24")?;
    lab.assert_serves(SECOND)?;
    lab.net.shell("ip addr add 10.78.0.1/24 dev br0")?;
    lab.expect_line(2, "br0: address 10.78.0.1/24 added")?;
    lab.assert_serves(SECOND)?;
    lab.assert_files(FIRST)?;
    lab.net.shell(
        "sysctl -q -w net.ipv4.conf.br0.promote_secondaries=1
         ip addr del 10.78.0.2/24 dev br0",
    )?;
    lab.expect_line(3, "br0: address 10.78.0.2/24 removed")?;
    lab.assert_serves(FIRST)?;
    let status = "http://10.78.0.1:8069/status";
    let status = lab.machine.run(&["curl", "-sS", status])?;
    ensure!(status.contains("10.78.0.1/24"), "{status}");
    ensure!(!status.contains("10.78.0.2"), "{status}");
    Ok(())
}

#[test]
fn an_interface_is_deleted_and_made_again() -> Result<()> {
    let mut lab = Lab::with_range("made-anew")?;
    lab.assert_serves(FIRST)?;
    lab.remake("10.78.0.1/24")?;
    lab.expect_line(1, "br0: it was deleted and made again")?;
    lab.assert_serves(FIRST)?;
    lab.net.shell("ip link del br0")?;
    lab.expect_line(2, "br0 is gone: not serving there until it is back")?;
    lab.net.shell(&format!(
        "ip link add br0 {BRIDGE}; ip link set br0 up; ip link set to-eth0 master br0"
    ))?;
    lab.net.shell("ip addr add 10.78.0.2/24 dev br0")?;
    lab.expect_line(3, "br0 is back: serving 10.78.0.2/24")?;
    lab.assert_serves(SECOND)
}

#[test]
fn an_interface_is_down_for_a_while_and_without_its_address() -> Result<()> {
    let mut lab = Lab::with_range("flap")?;
    lab.net.shell("ip link set br0 down")?;
    lab.expect_line(1, "br0 is down: not serving there until it is up")?;
    lab.net.shell("ip addr flush dev br0")?;
    lab.net
        .shell("ip link set br0 up; ip addr add 10.78.0.1/24 dev br0")?;
    lab.expect_line(2, "br0 is back: serving 10.78.0.1/24")?;
    lab.assert_serves(FIRST)?;
    lab.net.shell("ip addr flush dev br0")?;
    lab.expect_line(3, "br0 has no IPv4 address any more")?;
    lab.net.shell("ip addr add 10.78.0.1/24 dev br0")?;
    lab.expect_line(4, "br0 is back: serving 10.78.0.1/24")?;
    lab.assert_serves(FIRST)
}

#[test]
fn an_interface_has_another_name_another_mac_and_another_mtu() -> Result<()> {
    let mut lab = Lab::with_range("renamed")?;
    lab.net.shell("ip link set br0 name lan0")?;
    lab.expect_line(1, "lan0: it was br0 before")?;
    lab.assert_serves(FIRST)?;
    lab.net
        .shell("ip link set lan0 address 02:00:00:00:78:99")?;
    lab.expect_line(2, "lan0: its MAC address is 02:00:00:00:78:99")?;
    lab.machine.shell("ip neigh flush dev eth0")?;
    lab.assert_serves(FIRST)?;
    lab.net.shell("ip link set lan0 mtu 1400")?;
    lab.expect_line(3, "lan0: its MTU is 1400")?;
    lab.assert_serves(FIRST)
}

#[test]
fn a_proxy_is_known_by_its_new_address() -> Result<()> {
    // The only interface that is up: what is chosen without --interface.
    let mut lab = Lab::new("proxy", &[])?;
    lab.assert_serves(FIRST)?;
    lab.readdress("10.78.0.1/24", "10.78.0.2/24")?;
    lab.expect_line(1, "br0: address 10.78.0.1/24 became 10.78.0.2/24")?;
    lab.assert_serves(SECOND)
}

#[test]
fn a_range_that_is_in_no_network_any_more_waits_with_its_leases() -> Result<()> {
    let mut lab = Lab::with_range("elsewhere")?;
    let before = lab.offer()?.header.your_ip;
    lab.readdress("10.78.0.1/24", "192.168.9.1/24")?;
    lab.expect_line(
        2,
        "the range 10.78.0.100-10.78.0.199 is in no network of br0 any more",
    )?;
    lab.machine.shell("ip addr add 192.168.9.66/24 dev eth0")?;
    lab.assert_files(Ipv4Addr::new(192, 168, 9, 1))?;
    lab.net.shell("ip addr add 10.78.0.2/24 dev br0")?;
    lab.expect_line(3, "br0: address 10.78.0.2/24 added")?;
    lab.assert_serves(SECOND)?;
    ensure!(lab.offer()?.header.your_ip == before);
    Ok(())
}

#[test]
fn transfers_and_connections_go_on_while_an_address_is_added() -> Result<()> {
    let lab = Lab::with_range("transfer")?;
    let at = |port: u16| SocketAddr::from((FIRST, port));
    let (mut transfer, mut nfs) = lab.machine.within(|| {
        let mut transfer = Transfer::start(at(69))?;
        for _ in 0..10 {
            transfer.block()?;
        }
        let mount = support::mount_client(at(2049));
        Ok((transfer, mount))
    })?;
    lab.net.shell("ip addr add 10.78.0.2/24 dev br0")?;
    lab.expect_line(1, "br0: address 10.78.0.2/24 added")?;
    while !transfer.block()? {}
    // 2 MiB in blocks of 512 bytes, and an empty one.
    ensure!(transfer.block == 4097, "{}", transfer.block);
    support::now(nfs.null())?;
    Ok(())
}
