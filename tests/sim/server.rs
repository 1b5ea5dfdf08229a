//! A server on the LAN: our decision, at an address.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netroot_net::Mac;
use netroot_net::Prefix;
use netroot_proto::dhcp::options::Message;
use netroot_proto::dhcp::pool::Pool;
use netroot_proto::dhcp::request::Request;
use netroot_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use netroot_proto::pxe::arch::Platform;
use netroot_proto::pxe::decide::{Answer, Decision, Destination, decide};
use netroot_proto::pxe::inputs::{Arrival, BootOptions, Loader, Role, SubnetOptions};
use netroot_proto::pxe::strategy::Strategy;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};

use super::frames::{datagram, udp};
use super::lan::ip;

/// A change to a server's replies.
pub(crate) type Habit = fn(&mut Vec<u8>);

/// An answer of the server, without its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    DhcpOffer,
    DhcpAck,
    DhcpNak,
    ProxyOffer,
    ProxyAck,
}

impl Sent {
    pub(crate) fn of(answer: &Answer) -> Sent {
        match answer {
            Answer::Offered { .. } => Sent::DhcpOffer,
            Answer::Acknowledged { .. } | Answer::Informed { .. } => Sent::DhcpAck,
            Answer::Refused { .. } => Sent::DhcpNak,
            Answer::ProxyOffered { .. } | Answer::RootOffered { .. } => Sent::ProxyOffer,
            Answer::ProxyAcknowledged { .. } | Answer::RootAcknowledged { .. } => Sent::ProxyAck,
        }
    }
}

/// A server: our decision behind an address.
pub(crate) struct Server {
    pub(crate) address: Ipv4Addr,
    pub(crate) mac: Mac,
    /// `None` is the ProxyDHCP role.
    pub(crate) dhcp: Option<(SubnetOptions, Pool)>,
    /// Its delay before it answers: dnsmasq pings an address for three seconds.
    pub(crate) delay: Duration,
    /// Its answers.
    pub(crate) sent: Vec<Sent>,
    /// The last request.
    pub(crate) asked: Option<Request>,
    /// A change to its replies before they are sent: real servers differ from ours.
    pub(crate) habit: Option<Habit>,
    /// Option 17.
    pub(crate) root: Option<Vec<u8>>,
    /// Option 17 for single machines.
    pub(crate) roots: Vec<(Mac, &'static [u8])>,
    /// It treats a BOOTP request as a DISCOVER, unlike ours.
    pub(crate) knows_bootp: bool,
}

impl Server {
    pub(crate) fn dhcp(last: u8, range: (u8, u8), lease_time: Duration) -> Server {
        let mut network = SubnetOptions::new(lease_time);
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
            roots: Vec::new(),
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
            signed: None,
        };
        let own_root = self.roots.iter();
        let own_root = own_root
            .filter(|(mac, _)| *mac == request.header.mac)
            .map(|(_, root)| *root)
            .next();
        let boots = BootOptions {
            http_port: 80,
            script_path: "boot/{mac}.ipxe",
            loaders: &[loader],
            root_path: own_root.or(self.root.as_deref()),
            allowed: None,
            host_name: None,
            refused: false,
        };
        let arrival = Arrival {
            interface: "lan".into(),
            address: self.address,
            network: Prefix::clamped(self.address, 24),
            behind_relays: false,
            port: SERVER_PORT,
            source,
        };
        let role = match &mut self.dhcp {
            Some((network, pool)) => Role::Authoritative {
                options: network,
                pool,
            },
            None => Role::Proxy,
        };
        let decision = decide(&request, &arrival, &boots, role, Strategy::default(), now);
        let Decision::Reply(mut reply) = decision else {
            return None;
        };
        if let Some(habit) = self.habit {
            habit(&mut reply.packet);
        }
        self.sent.push(Sent::of(&reply.answer));
        let mac = match reply.destination {
            Destination::Broadcast => Mac::BROADCAST,
            // Stands in for the kernel's ARP: the sender has the address.
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
