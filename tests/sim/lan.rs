//! An Ethernet: every frame reaches everybody whose address it bears, broadcasts reach all.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_proto::dhcp::introduction::Introduction;
use netroot_proto::dhcp::lease::Lease;
use netroot_proto::dhcp::offers::{Offers, Outgoing, Worth};
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::restate;
use netroot_proto::dhcp::{CLIENT_PORT, Mac, PARAMETER_REQUEST_LIST, SERVER_PORT};
use netroot_proto::mount::NfsTarget;
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::config::{Arrival, Config, Loader, Network, Role};
use netroot_proto::pxe::decide::{Decision, Destination, Step, decide};
use netroot_proto::pxe::strategy::Strategy;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpOption, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, HardwareAddress, IpCidr, IpProtocol, Ipv4Cidr, Ipv4Packet, Ipv4Repr, UdpPacket,
    UdpRepr,
};

use super::wire::{Faults, Wire};

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Where a frame is going: a place on the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Station {
    Client(usize),
    Server(usize),
}

/// What a server does to a reply before it leaves.
pub(crate) type Habit = fn(&mut Vec<u8>);

/// A server: our decision behind an address.
pub(crate) struct Server {
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: Mac,
    /// `None` is the ProxyDHCP role.
    pub(crate) dhcp: Option<(Network, Pool)>,
    /// How long it thinks before it answers: dnsmasq pings an address for three seconds.
    pub(crate) delay: Duration,
    /// What it answered.
    pub(crate) sent: Vec<Step>,
    /// What it was last asked.
    pub(crate) asked: Option<Request>,
    /// What it does to its replies before they leave: real servers are not all like ours.
    pub(crate) habit: Option<Habit>,
    /// Option 17.
    pub(crate) root: Option<Vec<u8>>,
    /// It takes a request of BOOTP for a DISCOVER, which ours does not.
    pub(crate) knows_bootp: bool,
}

impl Server {
    pub(crate) fn dhcp(last: u8, range: (u8, u8), lease_time: Duration) -> Server {
        let mut network = Network::new(lease_time);
        network.routers = vec![ip(1)];
        network.dns = vec![ip(53)];
        network.mtu = Some(1400);
        let pool = Pool::new(ip(range.0), ip(range.1), vec![ip(last), ip(1)]).unwrap();
        Server {
            dhcp: Some((network, pool)),
            ..Server::proxy(last)
        }
    }

    pub(crate) fn proxy(last: u8) -> Server {
        let mac = Mac([0x02, 0, 0, 0, 0xff, last]);
        Server {
            address: ip(last),
            mac,
            dhcp: None,
            delay: Duration::ZERO,
            sent: Vec::new(),
            asked: None,
            habit: None,
            root: Some(b"10.0.0.1:/root".to_vec()),
            knows_bootp: false,
        }
    }

    pub(crate) fn answer(&mut self, frame: &[u8], now: Duration) -> Option<Vec<u8>> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() == EthernetProtocol::Arp {
            return self.arp(frame.payload());
        }
        let (source, to, payload) = udp(frame.payload())?;
        if to.port() != SERVER_PORT || !(to.ip().is_broadcast() || *to.ip() == self.address) {
            return None;
        }
        let mut payload = payload.to_vec();
        let is_bootp = Message::read(&payload).is_ok_and(|message| message.kind().is_none());
        if is_bootp && self.knows_bootp {
            payload[240..243].copy_from_slice(&[53, 1, 1]);
            payload[243] = 255;
        }
        let request = Request::read(&payload).ok()?;
        self.asked = Some(request.clone());
        let loader = Loader {
            platform: Platform::EfiX64,
            first: "snponly.efi".into(),
            second: None,
        };
        let config = Config {
            http_port: 80,
            script_path: "boot/{mac}.ipxe".into(),
            loaders: vec![loader],
            root_path: self.root.clone(),
        };
        let arrival = Arrival {
            interface: "lan".into(),
            address: self.address,
            prefix: 24,
            port: SERVER_PORT,
            source,
        };
        let role = match &mut self.dhcp {
            Some((network, pool)) => Role::Dhcp { network, pool },
            None => Role::Proxy,
        };
        let decision = decide(&request, &arrival, &config, role, Strategy::default(), now);
        let Decision::Reply(mut reply) = decision else {
            return None;
        };
        if let Some(habit) = self.habit {
            habit(&mut reply.packet);
        }
        self.sent.push(reply.step);
        let mac = match reply.destination {
            Destination::Broadcast => Mac::BROADCAST,
            // The kernel's ARP would find it: whoever asked is who has the address.
            Destination::Unicast(_) | Destination::Ethernet { .. } => request.header.mac,
            Destination::Relay(_) => return None,
        };
        let to = match reply.destination {
            Destination::Ethernet { address, .. } => SocketAddrV4::new(address, CLIENT_PORT),
            other => other.socket_address(),
        };
        Some(self.frame(mac, to, &reply.packet))
    }

    fn frame(&self, mac: Mac, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
        let from = SocketAddrV4::new(self.address, SERVER_PORT);
        datagram((self.mac, from), (mac, to), payload)
    }

    fn arp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let packet = ArpPacket::new_checked(packet).ok()?;
        let Ok(ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) = ArpRepr::parse(&packet)
        else {
            return None;
        };
        if target_protocol_addr != self.address {
            return None;
        }
        let own = EthernetAddress(self.mac.0);
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: own,
            source_protocol_addr: self.address,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; 14 + reply.buffer_len()];
        let mut ethernet = EthernetFrame::new_unchecked(&mut bytes);
        EthernetRepr {
            src_addr: own,
            dst_addr: source_hardware_addr,
            ethertype: EthernetProtocol::Arp,
        }
        .emit(&mut ethernet);
        reply.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
        Some(bytes)
    }
}

/// A frame with a UDP datagram between two ports, broadcast.
pub(crate) fn frame(from: u16, to: u16, source: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let from = (Mac([2; 6]), SocketAddrV4::new(source, from));
    let to = (Mac::BROADCAST, SocketAddrV4::new(Ipv4Addr::BROADCAST, to));
    datagram(from, to, payload)
}

fn datagram(from: (Mac, SocketAddrV4), to: (Mac, SocketAddrV4), payload: &[u8]) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr {
        src_port: from.1.port(),
        dst_port: to.1.port(),
    };
    let ip = Ipv4Repr {
        src_addr: *from.1.ip(),
        dst_addr: *to.1.ip(),
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 14 + 20 + 8 + payload.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut bytes);
    EthernetRepr {
        src_addr: EthernetAddress(from.0.0),
        dst_addr: EthernetAddress(to.0.0),
        ethertype: EthernetProtocol::Ipv4,
    }
    .emit(&mut ethernet);
    let mut packet = Ipv4Packet::new_unchecked(ethernet.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let (from, to) = ((*from.1.ip()).into(), (*to.1.ip()).into());
    let copy = |into: &mut [u8]| into.copy_from_slice(payload);
    udp.emit(&mut datagram, &from, &to, payload.len(), copy, &checksums);
    bytes
}

/// Source, destination and payload of a UDP datagram.
fn udp(packet: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    if packet.next_header() != IpProtocol::Udp {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let ports = (datagram.src_port(), datagram.dst_port());
    let payload = datagram.payload();
    Some((
        SocketAddrV4::new(from, ports.0),
        SocketAddrV4::new(to, ports.1),
        payload,
    ))
}

fn to_client(frame: &[u8]) -> bool {
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    udp(ethernet.payload()).is_some_and(|(_, to, _)| to.port() == CLIENT_PORT)
}

/// What options 60 and 93 look like in the DISCOVER of OVMF.
static FIRMWARE: [DhcpOption<'static>; 2] = [
    DhcpOption {
        kind: 60,
        data: b"PXEClient:Arch:00007:UNDI:003001",
    },
    DhcpOption {
        kind: 93,
        data: &[0, 7],
    },
];

/// What a lease is worth to a machine that was told nothing of its root.
fn worth(lease: &Lease) -> Worth {
    let target = lease.root_path.as_deref().map(NfsTarget::from_option_17);
    match target {
        Some(Ok((target, _))) if target.path.is_some() => Worth::Root,
        _ => Worth::Nothing,
    }
}

/// A client: smoltcp's interface and its DHCP socket, asking as the init does.
pub(crate) struct Client {
    pub(crate) mac: Mac,
    /// Reads servers' messages tolerantly before smoltcp does, as the init may.
    pub(crate) restates: bool,
    /// Weighs offers before smoltcp hears of them, as the init does.
    offers: Option<Offers>,
    /// What our init says of its machine.
    pub(crate) introduction: Introduction,
    /// The message behind what smoltcp heard last.
    message: Vec<u8>,
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// Every lease won and every loss (`None`), with its time.
    pub(crate) history: Vec<(Duration, Option<Lease>)>,
}

/// Whom a client plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Firmware,
    Init,
}

impl Client {
    fn new(number: u8, seed: u64, kind: Kind) -> Client {
        let mac = Mac([0x52, 0x54, 0, 0, 0, number]);
        let mut card = Card::default();
        let mut config = iface::Config::new(HardwareAddress::Ethernet(EthernetAddress(mac.0)));
        config.random_seed = seed;
        let interface = Interface::new(config, &mut card, Instant::ZERO);
        let mut socket = dhcpv4::Socket::new();
        socket.set_parameter_request_list(PARAMETER_REQUEST_LIST);
        socket.set_receive_packet_buffer(Box::leak(Box::new([0; 1500])));
        match kind {
            Kind::Plain | Kind::Init => {}
            Kind::Firmware => socket.set_outgoing_options(&FIRMWARE),
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Client {
            mac,
            restates: false,
            offers: (kind == Kind::Init).then(|| Offers::new(mac)),
            introduction: Introduction::default(),
            message: Vec::new(),
            card,
            interface,
            sockets,
            handle,
            history: Vec::new(),
        }
    }

    /// The lease that it holds.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.history.last().and_then(|(_, lease)| lease.as_ref())
    }

    /// When it won its lease.
    pub(crate) fn won_at(&self) -> Option<Duration> {
        self.history
            .iter()
            .find(|(_, lease)| lease.is_some())
            .map(|(at, _)| *at)
    }

    fn poll(&mut self, now: Duration) {
        let instant = Instant::from_micros(now.as_micros() as i64);
        let mut out = VecDeque::new();
        loop {
            if let Some(offers) = &mut self.offers {
                while let Some(delivery) = offers.next(now, &worth) {
                    self.message = delivery.message().to_vec();
                    self.card.received.push_back(delivery.frame);
                }
            }
            self.interface
                .poll(instant, &mut self.card, &mut self.sockets);
            let Some(offers) = &mut self.offers else {
                break;
            };
            for frame in std::mem::take(&mut self.card.sent) {
                let frame = self.introduction.introduce(&frame).unwrap_or(frame);
                if offers.sent(&frame) == Outgoing::Send {
                    out.push_back(frame);
                }
            }
            if offers.next_at() != Some(Duration::ZERO) {
                break;
            }
        }
        self.card.sent.append(&mut out);
        let socket = self.sockets.get_mut::<dhcpv4::Socket>(self.handle);
        let event = socket.poll().map(|event| match event {
            dhcpv4::Event::Configured(config) => {
                let packet = config.packet.expect("a buffer was set");
                let lease = match &self.offers {
                    None => Lease::read(packet.into_inner()),
                    Some(offers) => {
                        Lease::read(&self.message).map(|lease| offers.completed(lease, &worth))
                    }
                };
                Some((config.address, lease))
            }
            dhcpv4::Event::Deconfigured => None,
        });
        match event {
            None => {}
            Some(None) => {
                self.interface
                    .update_ip_addrs(|addresses| addresses.clear());
                self.history.push((now, None));
            }
            Some(Some((address, lease))) => {
                let lease = lease.expect("smoltcp took it, so it is a lease");
                // The two readers of one packet agree.
                assert_eq!(address, Ipv4Cidr::new(lease.address, lease.prefix));
                self.interface.update_ip_addrs(|addresses| {
                    addresses.clear();
                    addresses.push(IpCidr::Ipv4(address)).unwrap();
                });
                self.history.push((now, Some(lease)));
            }
        }
    }

    fn next_poll(&mut self, now: Duration) -> Option<Duration> {
        let instant = Instant::from_micros(now.as_micros() as i64);
        let at = self.interface.poll_at(instant, &self.sockets);
        let at = at.map(|at| Duration::from_micros(at.total_micros().max(0) as u64));
        let offers = self.offers.as_ref().and_then(Offers::next_at);
        at.into_iter().chain(offers).min()
    }
}

/// A network card: two queues.
#[derive(Default)]
struct Card {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

struct Received(Vec<u8>);
struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities.medium = Medium::Ethernet;
        capabilities
    }
}

/// The whole: servers, clients, wire and clock.
pub(crate) struct Lan {
    pub(crate) now: Duration,
    pub(crate) servers: Vec<Server>,
    pub(crate) clients: Vec<Client>,
    wire: Wire<Station>,
}

impl Lan {
    pub(crate) fn new(seed: u64, faults: Faults, servers: Vec<Server>, clients: u8) -> Lan {
        let client = |number| Client::new(number, seed * 256 + u64::from(number), Kind::Plain);
        let clients = (0..clients).map(client).collect();
        Lan {
            now: Duration::ZERO,
            servers,
            clients,
            wire: Wire::new(seed, MILLISECOND, faults),
        }
    }

    /// Adds a client that calls itself UEFI PXE.
    pub(crate) fn add_firmware(&mut self, number: u8) {
        self.clients
            .push(Client::new(number, u64::from(number), Kind::Firmware));
    }

    /// Adds a client that is our init.
    pub(crate) fn add_init(&mut self, number: u8, seed: u64) {
        self.clients.push(Client::new(number, seed, Kind::Init));
    }

    /// Lets time pass until `end`, or until `done`.
    pub(crate) fn run(&mut self, end: Duration, mut done: impl FnMut(&Lan) -> bool) {
        while self.now <= end && !done(self) {
            while let Some((station, frame)) = self.wire.receive(self.now) {
                self.deliver(station, frame);
            }
            for index in 0..self.clients.len() {
                let client = &mut self.clients[index];
                client.poll(self.now);
                let sent: Vec<Vec<u8>> = client.card.sent.drain(..).collect();
                for frame in sent {
                    self.transmit(Station::Client(index), Duration::ZERO, frame);
                }
            }
            let now = self.now;
            let polls = self
                .clients
                .iter_mut()
                .filter_map(|client| client.next_poll(now));
            let next = polls.chain(self.wire.next_arrival()).min();
            // smoltcp may want to be polled again at once; time must pass all the same.
            let next = next.unwrap_or(end + MILLISECOND);
            self.now = next.max(now + Duration::from_micros(100));
        }
    }

    fn deliver(&mut self, station: Station, frame: Vec<u8>) {
        match station {
            Station::Client(index) => {
                let client = &mut self.clients[index];
                if let Some(offers) = &mut client.offers
                    && to_client(&frame)
                {
                    offers.arrived(&frame, self.now);
                    return;
                }
                let restated = client.restates.then(|| restate::frame(&frame)).flatten();
                client.card.received.push_back(restated.unwrap_or(frame));
            }
            Station::Server(index) => {
                let server = &mut self.servers[index];
                if let Some(reply) = server.answer(&frame, self.now) {
                    let delay = server.delay;
                    self.transmit(station, delay, reply);
                }
            }
        }
    }

    fn transmit(&mut self, from: Station, delay: Duration, frame: Vec<u8>) {
        let to = EthernetFrame::new_checked(&frame[..]).unwrap().dst_addr();
        let bears = |mac: Mac| to.is_broadcast() || to.0 == mac.0;
        let clients = self
            .clients
            .iter()
            .enumerate()
            .map(|(n, c)| (Station::Client(n), c.mac));
        let servers = self
            .servers
            .iter()
            .enumerate()
            .map(|(n, s)| (Station::Server(n), s.mac));
        for (station, mac) in clients.chain(servers) {
            if station != from && bears(mac) {
                self.wire.send(self.now, delay, station, frame.clone());
            }
        }
    }
}

pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}
