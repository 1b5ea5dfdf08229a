//! UDP over IPv4 in whole Ethernet frames, for DHCPv4: machines that cannot answer ARP because they have no address
//! yet, and the probe for other DHCP servers, which must not take answers from the host's own DHCP client.

use std::net::Ipv4Addr;

use netroot_net::Mac;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

/// Time to live: frames stay on this network, but captures show the usual number.
const HOP_LIMIT: u8 = 64;

/// One end of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Hardware address.
    pub(crate) mac: Mac,
    /// IPv4 address.
    pub(crate) address: Ipv4Addr,
    /// UDP port.
    pub(crate) port: u16,
}

/// A UDP datagram as an Ethernet frame, checksums included. `None` for a payload longer than any DHCP message.
pub(crate) fn encode(from: End, to: End, payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() > 1472 {
        return None;
    }
    let udp = UdpRepr {
        src_port: from.port,
        dst_port: to.port,
    };
    let ip = Ipv4Repr {
        src_addr: from.address,
        dst_addr: to.address,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: HOP_LIMIT,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from.mac.0),
        dst_addr: EthernetAddress(to.mac.0),
        ethertype: EthernetProtocol::Ipv4,
    };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    udp.emit(
        &mut datagram,
        &from.address.into(),
        &to.address.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &checksums,
    );
    Some(bytes)
}

/// The UDP datagram in an Ethernet frame: its sender, its destination port and its payload. `None` for anything else,
/// and for fragments.
///
/// Checksums are not verified: the kernel delivers frames of virtual NICs before theirs are filled in.
pub(crate) fn decode(bytes: &[u8]) -> Option<(End, u16, &[u8])> {
    let frame = EthernetFrame::new_checked(bytes).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let whole = !packet.more_frags() && packet.frag_offset() == 0;
    if packet.version() != 4 || packet.next_header() != IpProtocol::Udp || !whole {
        return None;
    }
    let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
    let from = End {
        mac: Mac(frame.src_addr().0),
        address: packet.src_addr(),
        port: datagram.src_port(),
    };
    Some((from, datagram.dst_port(), datagram.payload()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(last: u8, port: u16) -> End {
        End {
            mac: Mac([2, 0, 0, 0, 0, last]),
            address: Ipv4Addr::new(10, 0, 0, last),
            port,
        }
    }

    #[test]
    fn an_encoded_frame_decodes_to_the_same_and_has_valid_checksums() {
        let bytes = encode(end(1, 67), end(101, 68), b"offer").unwrap();
        assert_eq!(decode(&bytes), Some((end(1, 67), 68, &b"offer"[..])));
        let packet = Ipv4Packet::new_checked(&bytes[14..]).unwrap();
        assert!(packet.verify_checksum());
        let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
        let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
        assert!(datagram.verify_checksum(&from, &to));
    }

    #[test]
    fn a_payload_too_long_for_a_frame_is_refused() {
        assert!(encode(end(1, 67), end(2, 68), &[0; 1473]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), ip: bool) {
            if ip && bytes.len() > 34 {
                bytes[12..15].copy_from_slice(&[8, 0, 0x45]);
                bytes[23] = 17;
            }
            let _ = decode(&bytes);
        }

        #[test]
        fn a_truncated_frame_is_not_decoded(cut in 0_usize..46) {
            let bytes = encode(end(1, 67), end(2, 68), b"offer").unwrap();
            prop_assert!(decode(&bytes[..cut]).is_none());
        }
    }
}
