//! Clients on the LAN: our init's exchange and renewer, and smoltcp's `dhcpv4` socket as
//! firmware or as anybody's operating system.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_net::Mac;
use netroot_proto::dhcp::PARAMETER_REQUEST_LIST;
use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::exchange::{Action, Exchange};
use netroot_proto::dhcp::frame::{from_client, from_server};
use netroot_proto::dhcp::lease::{Lease, LeaseError};
use netroot_proto::dhcp::offers::Score;
use netroot_proto::dhcp::renew::{Heard, Renewer};
use netroot_proto::mount::NfsTarget;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{DhcpOption, EthernetAddress, HardwareAddress, IpCidr, Ipv4Cidr};

/// Options 60 and 93 in OVMF's DISCOVER.
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

/// The score of a lease for a machine whose command line does not name its root.
fn score(lease: &Lease) -> Score {
    let target = lease.root_path.as_deref().map(NfsTarget::from_option_17);
    match target {
        Some(Ok((target, _))) if target.path.is_some() => Score::Root,
        _ => Score::Nothing,
    }
}

/// A client on the LAN.
pub(crate) struct Client {
    pub(crate) mac: Mac,
    seed: u64,
    program: Program,
    /// The identity that our init sends; read when it starts.
    pub(crate) identity: ClientIdentity,
    /// Machines that answer our init's ARP probe. Without any, it sends none.
    pub(crate) neighbours: Vec<(Ipv4Addr, Mac)>,
    /// Frames to be sent.
    pub(super) sent: VecDeque<Vec<u8>>,
    /// Every lease won and every loss (`None`), with its time.
    pub(crate) history: Vec<(Duration, Option<Lease>)>,
    /// The addresses that our init declined.
    pub(crate) declined: Vec<Ipv4Addr>,
    unusable: Option<(Ipv4Addr, LeaseError)>,
}

/// The software on it.
enum Program {
    /// Firmware, or an operating system.
    Other(Box<OtherClient>),
    /// Our init, before it starts.
    Init,
    /// Our init without a lease.
    Exchange(Box<Exchange>),
    /// Our init's renewer, and the NIC that the server's last message came from.
    Renewer(Box<Renewer>, Mac),
}

/// The role of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Firmware,
    Init,
}

impl Client {
    pub(super) fn new(number: u8, seed: u64, kind: Kind) -> Client {
        let mac = Mac([0x52, 0x54, 0, 0, 0, number]);
        Client {
            mac,
            seed,
            program: match kind {
                Kind::Init => Program::Init,
                Kind::Plain | Kind::Firmware => {
                    Program::Other(Box::new(OtherClient::new(mac, seed, kind)))
                }
            },
            identity: ClientIdentity::default(),
            neighbours: Vec::new(),
            sent: VecDeque::new(),
            history: Vec::new(),
            declined: Vec::new(),
            unusable: None,
        }
    }

    /// Its current lease.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.history.last().and_then(|(_, lease)| lease.as_ref())
    }

    /// An offer that it had to reject, reported once.
    pub(crate) fn unusable(&mut self) -> Option<(Ipv4Addr, LeaseError)> {
        self.unusable.take()
    }

    /// When it got its lease.
    pub(crate) fn won_at(&self) -> Option<Duration> {
        self.history
            .iter()
            .find(|(_, lease)| lease.is_some())
            .map(|(at, _)| *at)
    }

    /// Handles a received frame.
    pub(super) fn receive(&mut self, frame: Vec<u8>, now: Duration) {
        match &mut self.program {
            Program::Other(other) => other.card.received.push_back(frame),
            Program::Init => {}
            Program::Exchange(exchange) => exchange.receive(&frame, now),
            Program::Renewer(renewer, server) => {
                let Some(reply) = from_server(&frame) else {
                    return;
                };
                if let Heard::Renewed(lease) = renewer.hear(reply.message, now) {
                    *server = reply.mac;
                    self.history.push((now, Some(*lease)));
                }
            }
        }
    }

    pub(super) fn poll(&mut self, now: Duration) {
        if let Program::Init = self.program {
            let mut exchange = Exchange::new(self.mac, self.identity.clone(), self.seed);
            exchange.carrier(true, now);
            self.program = Program::Exchange(Box::new(exchange));
        }
        match &mut self.program {
            Program::Other(other) => {
                other.poll(now, &mut self.history);
                self.sent.append(&mut other.card.sent);
            }
            Program::Init => {}
            Program::Exchange(_) => self.exchange(now),
            Program::Renewer(renewer, server) => {
                if let Some(outgoing) = renewer.poll(now) {
                    self.sent.push_back(outgoing.frame(self.mac, *server));
                }
            }
        }
    }

    /// Runs the exchange as the init does.
    fn exchange(&mut self, now: Duration) {
        let Program::Exchange(exchange) = &mut self.program else {
            return;
        };
        while let Some(action) = exchange.poll(now, &score) {
            match action {
                Action::Send(frame) => self.sent.push_back(frame),
                Action::Probe(address) => {
                    if self.neighbours.is_empty() {
                        exchange.probe_failed();
                    }
                    for (_, owner) in self.neighbours.iter().filter(|(a, _)| *a == address) {
                        exchange.claimed(*owner);
                    }
                }
                Action::Unusable { server, error, .. } => self.unusable = Some((server, error)),
                Action::InUse {
                    address, declined, ..
                } => {
                    if declined {
                        self.declined.push(address);
                    }
                }
                Action::Bound(bound) => {
                    self.history.push((now, Some(bound.lease)));
                    let asked = from_client(&bound.asked).expect("a REQUEST");
                    let answered = from_server(&bound.answered).expect("an ACK");
                    let renewer = Renewer::start(asked, answered.message, now, self.seed)
                        .expect("two messages");
                    self.program = Program::Renewer(Box::new(renewer), answered.mac);
                    return;
                }
            }
        }
    }

    pub(super) fn next_poll(&mut self, now: Duration) -> Option<Duration> {
        match &mut self.program {
            Program::Other(other) => other.next_poll(now),
            Program::Init => Some(now),
            Program::Exchange(exchange) => exchange.poll_at(),
            Program::Renewer(renewer, _) => renewer.poll_at(),
        }
    }
}

/// smoltcp's interface and its DHCP socket.
struct OtherClient {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl OtherClient {
    fn new(mac: Mac, seed: u64, kind: Kind) -> OtherClient {
        let mut card = Card::default();
        let mut config = iface::Config::new(HardwareAddress::Ethernet(EthernetAddress(mac.0)));
        config.random_seed = seed;
        let interface = Interface::new(config, &mut card, Instant::ZERO);
        let mut socket = dhcpv4::Socket::new();
        socket.set_parameter_request_list(PARAMETER_REQUEST_LIST);
        socket.set_receive_packet_buffer(Box::leak(Box::new([0; 1500])));
        if kind == Kind::Firmware {
            socket.set_outgoing_options(&FIRMWARE);
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        OtherClient {
            card,
            interface,
            sockets,
            handle,
        }
    }

    fn poll(&mut self, now: Duration, history: &mut Vec<(Duration, Option<Lease>)>) {
        let instant = Instant::from_micros(now.as_micros() as i64);
        self.interface
            .poll(instant, &mut self.card, &mut self.sockets);
        let socket = self.sockets.get_mut::<dhcpv4::Socket>(self.handle);
        match socket.poll() {
            None => {}
            Some(dhcpv4::Event::Deconfigured) => {
                self.interface
                    .update_ip_addrs(|addresses| addresses.clear());
                history.push((now, None));
            }
            Some(dhcpv4::Event::Configured(config)) => {
                let packet = config.packet.expect("a buffer was set");
                let lease = Lease::read(packet.into_inner());
                let lease = lease.expect("smoltcp took it, so it is a lease");
                // The two readers of one packet agree.
                let address = config.address;
                assert_eq!(address, Ipv4Cidr::new(lease.address, lease.prefix));
                self.interface.update_ip_addrs(|addresses| {
                    addresses.clear();
                    addresses.push(IpCidr::Ipv4(address)).unwrap();
                });
                history.push((now, Some(lease)));
            }
        }
    }

    fn next_poll(&mut self, now: Duration) -> Option<Duration> {
        let instant = Instant::from_micros(now.as_micros() as i64);
        let at = self.interface.poll_at(instant, &self.sockets);
        at.map(|at| Duration::from_micros(at.total_micros().max(0) as u64))
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
