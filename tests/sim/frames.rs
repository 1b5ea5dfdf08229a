//! Ethernet frames with UDP datagrams in them.

use std::net::{Ipv4Addr, SocketAddrV4};

use netroot_net::Mac;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

/// A frame with a UDP datagram between two ports, broadcast.
pub(crate) fn frame(from: u16, to: u16, source: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let from = (Mac([2; 6]), SocketAddrV4::new(source, from));
    let to = (Mac::BROADCAST, SocketAddrV4::new(Ipv4Addr::BROADCAST, to));
    datagram(from, to, payload)
}

pub(crate) fn datagram(
    from: (Mac, SocketAddrV4),
    to: (Mac, SocketAddrV4),
    payload: &[u8],
) -> Vec<u8> {
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
pub(crate) fn udp(packet: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
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
