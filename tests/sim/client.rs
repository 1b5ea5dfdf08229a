//! Clients on the LAN: smoltcp's `dhcpv4` socket behind a card, as firmware, as anybody's
//! operating system, or as our init drives it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::lease::{Lease, LeaseError};
use netroot_proto::dhcp::offers::{Offers, Outgoing, Score};
use netroot_proto::dhcp::{Mac, PARAMETER_REQUEST_LIST};
use netroot_proto::mount::NfsTarget;
use smoltcp::iface::{self, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{DhcpOption, EthernetAddress, HardwareAddress, IpCidr, Ipv4Cidr};

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
fn worth(lease: &Lease) -> Score {
    let target = lease.root_path.as_deref().map(NfsTarget::from_option_17);
    match target {
        Some(Ok((target, _))) if target.path.is_some() => Score::Root,
        _ => Score::Nothing,
    }
}

/// A client: smoltcp's interface and its DHCP socket, asking as the init does.
pub(crate) struct Client {
    pub(crate) mac: Mac,
    /// Reads servers' messages tolerantly before smoltcp does, as the init may.
    pub(crate) restates: bool,
    /// Weighs offers before smoltcp hears of them, as the init does.
    pub(super) offers: Option<Offers>,
    /// What our init says of its machine.
    pub(crate) identity: ClientIdentity,
    /// The message behind what smoltcp heard last.
    message: Vec<u8>,
    pub(super) card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// Every lease won and every loss (`None`), with its time.
    pub(crate) history: Vec<(Duration, Option<Lease>)>,
}

/// Whom a client plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Firmware,
    Init,
}

impl Client {
    pub(super) fn new(number: u8, seed: u64, kind: Kind) -> Client {
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
            identity: ClientIdentity::default(),
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

    /// An offer that it had to pass over, told once.
    pub(crate) fn useless(&mut self) -> Option<(Ipv4Addr, LeaseError)> {
        self.offers.as_mut()?.useless()
    }

    /// When it won its lease.
    pub(crate) fn won_at(&self) -> Option<Duration> {
        self.history
            .iter()
            .find(|(_, lease)| lease.is_some())
            .map(|(at, _)| *at)
    }

    pub(super) fn poll(&mut self, now: Duration) {
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
                let frame = self.identity.with_identity(&frame).unwrap_or(frame);
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

    pub(super) fn next_poll(&mut self, now: Duration) -> Option<Duration> {
        let instant = Instant::from_micros(now.as_micros() as i64);
        let at = self.interface.poll_at(instant, &self.sockets);
        let at = at.map(|at| Duration::from_micros(at.total_micros().max(0) as u64));
        let offers = self.offers.as_ref().and_then(Offers::next_at);
        at.into_iter().chain(offers).min()
    }
}

/// A network card: two queues.
#[derive(Default)]
pub(super) struct Card {
    pub(super) received: VecDeque<Vec<u8>>,
    pub(super) sent: VecDeque<Vec<u8>>,
}

pub(super) struct Received(Vec<u8>);
pub(super) struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

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
