//! DHCP messages in Ethernet frames, and out of them.
//!
//! A client without an address cannot use a UDP socket, and one that has an address leaves
//! port 68 to the DHCP client of the real root: both use frames.

use std::net::Ipv4Addr;

use netroot_net::Mac;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use super::{CLIENT_PORT, SERVER_PORT};

/// The longest frame in bytes: DHCP needs no jumbo frames.
pub const LONGEST_FRAME: usize = 1514;
/// The usual time to live.
const HOPS: u8 = 64;

/// A server's message as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromServer<'a> {
    /// The NIC that the frame came from: the server's, or the router's in between.
    pub mac: Mac,
    /// The address that the packet came from.
    pub address: Ipv4Addr,
    /// The UDP payload.
    pub message: &'a [u8],
}

/// A client's message as a frame to every server on the link.
pub fn broadcast(from: (Mac, Ipv4Addr), message: &[u8]) -> Vec<u8> {
    unicast(from, (Mac::BROADCAST, Ipv4Addr::BROADCAST), message)
}

/// A client's message as a frame to one server.
pub fn unicast(from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr), message: &[u8]) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from.0.0),
        dst_addr: EthernetAddress(to.0.0),
        ethertype: EthernetProtocol::Ipv4,
    };
    let udp = UdpRepr {
        src_port: CLIENT_PORT,
        dst_port: SERVER_PORT,
    };
    let ip = Ipv4Repr {
        src_addr: from.1,
        dst_addr: to.1,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + message.len(),
        hop_limit: HOPS,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &from.1.into(),
        &to.1.into(),
        message.len(),
        |payload| payload.copy_from_slice(message),
        &checksums,
    );
    bytes
}

/// The server's message in a frame; `None` if it holds none.
///
/// Checksums are not verified: virtio and veth leave UDP's to hardware that such a frame
/// never reaches, and a packet socket then sees it half done.
pub fn from_server(frame: &[u8]) -> Option<FromServer<'_>> {
    datagram(frame, (SERVER_PORT, CLIENT_PORT))
}

/// The client's message in a frame; `None` if it holds none.
pub fn from_client(frame: &[u8]) -> Option<&[u8]> {
    datagram(frame, (CLIENT_PORT, SERVER_PORT)).map(|datagram| datagram.message)
}

fn datagram(frame: &[u8], ports: (u16, u16)) -> Option<FromServer<'_>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    // A fragment holds no whole message.
    if ip.next_header() != IpProtocol::Udp || ip.more_frags() || ip.frag_offset() != 0 {
        return None;
    }
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    ((udp.src_port(), udp.dst_port()) == ports).then(|| FromServer {
        mac: Mac(ethernet.src_addr().0),
        address: ip.src_addr(),
        message: udp.payload(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 7));
    const SERVER: (Mac, Ipv4Addr) = (Mac([2, 0, 0, 0, 0, 9]), Ipv4Addr::new(10, 0, 0, 1));
    const MESSAGE: [u8; 300] = [7; 300];

    #[test]
    fn unicast_goes_to_the_servers_nic_and_is_read_back_as_written() {
        let frame = unicast(CLIENT, SERVER, &MESSAGE);
        assert_eq!(frame[..6], SERVER.0.0);
        assert_eq!(from_client(&frame), Some(&MESSAGE[..]));
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(ip.verify_checksum());
        let udp = UdpPacket::new_checked(ip.payload()).unwrap();
        assert_eq!((udp.src_port(), udp.dst_port()), (68, 67));
        let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
        assert!(udp.verify_checksum(&from, &to));
    }

    #[test]
    fn broadcast_goes_to_everybody() {
        let frame = broadcast((CLIENT.0, Ipv4Addr::UNSPECIFIED), &MESSAGE);
        assert_eq!(frame[..6], [0xff; 6]);
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert_eq!(ip.dst_addr(), Ipv4Addr::BROADCAST);
    }

    #[test]
    fn a_cut_frame_and_another_direction_hold_no_message() {
        let frame = unicast(CLIENT, SERVER, &MESSAGE);
        for length in 0..frame.len() {
            assert_eq!(from_client(&frame[..length]), None);
        }
        assert_eq!(from_server(&frame), None);
    }
}
