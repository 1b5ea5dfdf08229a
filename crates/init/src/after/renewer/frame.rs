//! A DHCP message in an Ethernet frame, and out of one.
//!
//! Frames and not a UDP socket: port 68 stays free for a DHCP client that the real root starts.

use std::net::Ipv4Addr;

use netroot_proto::dhcp::renew::Outgoing;
use netroot_proto::dhcp::{CLIENT_PORT, Mac, SERVER_PORT};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ETHERNET_HEADER_LEN, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    IPV4_HEADER_LEN, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UDP_HEADER_LEN, UdpPacket,
    UdpRepr,
};

/// Usual for what may pass a router.
const HOPS: u8 = 64;

/// The message as a frame from `mac`. `server` is where unicast goes: the one that the server's own words came
/// from, be it the server or the router before it.
pub(crate) fn wrap(outgoing: &Outgoing, mac: Mac, server: Mac) -> Vec<u8> {
    let payload = &outgoing.bytes;
    let to = outgoing.to.unwrap_or(Ipv4Addr::BROADCAST);
    let destination = if outgoing.to.is_some() {
        server
    } else {
        Mac::BROADCAST
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(mac.0),
        dst_addr: EthernetAddress(destination.0),
        ethertype: EthernetProtocol::Ipv4,
    };
    let ip = Ipv4Repr {
        src_addr: outgoing.from,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: UDP_HEADER_LEN + payload.len(),
        hop_limit: HOPS,
    };
    let udp = UdpRepr {
        src_port: CLIENT_PORT,
        dst_port: SERVER_PORT,
    };
    let checksums = ChecksumCapabilities::default();
    let length = ETHERNET_HEADER_LEN + IPV4_HEADER_LEN + UDP_HEADER_LEN + payload.len();
    let mut frame = vec![0; length];
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    if let Some(packet) = frame.get_mut(ETHERNET_HEADER_LEN..) {
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut *packet), &checksums);
        if let Some(datagram) = packet.get_mut(IPV4_HEADER_LEN..) {
            udp.emit(
                &mut UdpPacket::new_unchecked(datagram),
                &IpAddress::Ipv4(outgoing.from),
                &IpAddress::Ipv4(to),
                payload.len(),
                |room| room.copy_from_slice(payload),
                &checksums,
            );
        }
    }
    frame
}

/// Who sent a frame, and the UDP payload in it.
pub(crate) fn unwrap(frame: &[u8]) -> Option<(Mac, &[u8])> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    if packet.next_header() != IpProtocol::Udp || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    Some((Mac(ethernet.src_addr().0), datagram.payload()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const SERVER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    #[test]
    fn unicast_goes_to_the_servers_card_and_comes_out_as_it_went_in() {
        let outgoing = Outgoing {
            to: Some(Ipv4Addr::new(10, 0, 0, 1)),
            from: Ipv4Addr::new(10, 0, 0, 7),
            bytes: vec![7; 300],
        };
        let frame = wrap(&outgoing, MAC, SERVER);
        assert_eq!(frame[..6], SERVER.0);
        assert_eq!(unwrap(&frame), Some((MAC, &outgoing.bytes[..])));
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(ip.verify_checksum());
        let udp = UdpPacket::new_checked(ip.payload()).unwrap();
        assert_eq!((udp.src_port(), udp.dst_port()), (68, 67));
        let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
        assert!(udp.verify_checksum(&from, &to));
    }

    #[test]
    fn without_a_server_it_goes_to_everybody() {
        let outgoing = Outgoing {
            to: None,
            from: Ipv4Addr::UNSPECIFIED,
            bytes: vec![7; 300],
        };
        let frame = wrap(&outgoing, MAC, SERVER);
        assert_eq!(frame[..6], [0xff; 6]);
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert_eq!(ip.dst_addr(), Ipv4Addr::BROADCAST);
    }

    #[test]
    fn a_cut_frame_holds_no_message() {
        let outgoing = Outgoing {
            to: None,
            from: Ipv4Addr::UNSPECIFIED,
            bytes: vec![7; 300],
        };
        let frame = wrap(&outgoing, MAC, SERVER);
        for length in 0..frame.len() {
            assert_eq!(unwrap(&frame[..length]), None);
        }
    }
}
