//! Whether another machine already uses the address that a server offers (RFC 5227,
//! RFC 2131 §4.4.1).

use std::net::Ipv4Addr;

use netroot_net::Mac;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr,
};

/// The question on Ethernet: "who has `address`?", asked without an address of our own, so
/// that no neighbour caches it (RFC 5227 §2.1.1).
pub fn probe(own: Mac, address: Ipv4Addr) -> Vec<u8> {
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(own.0),
        source_protocol_addr: Ipv4Addr::UNSPECIFIED,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: address,
    };
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(own.0),
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Arp,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + arp.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    arp.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}

/// The machine that uses `address`, or is about to, by a frame that arrived; `None` if the
/// frame says nothing of that, or is our own come back.
pub fn claimant(frame: &[u8], own: Mac, address: Ipv4Addr) -> Option<Mac> {
    let claim = claim(frame, own)?;
    (claim.address == address).then_some(claim.mac)
}

/// A machine and an address that it uses, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The address.
    pub address: Ipv4Addr,
    /// The machine.
    pub mac: Mac,
}

/// Which machine says in an ARP frame that it has which address; `None` if the frame is
/// something else, or our own come back.
pub fn claim(frame: &[u8], own: Mac) -> Option<Claim> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Arp {
        return None;
    }
    let arp = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).ok()?).ok()?;
    let ArpRepr::EthernetIpv4 {
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = arp
    else {
        return None;
    };
    let mac = Mac(source_hardware_addr.0);
    // Two machines that were given the same address probe for it at the same time.
    let probes = source_protocol_addr.is_unspecified();
    let address = if probes {
        target_protocol_addr
    } else {
        source_protocol_addr
    };
    let claims = mac != own && mac.is_unicast() && !address.is_unspecified();
    claims.then_some(Claim { address, mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    fn arp(operation: ArpOperation, sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
        let mut bytes = probe(sender.0, target);
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        let mut packet = ArpPacket::new_unchecked(frame.payload_mut());
        packet.set_operation(operation);
        packet.set_source_protocol_addr(&sender.1.octets());
        bytes
    }

    #[test]
    fn an_answer_an_announcement_or_a_probe_claims_the_address() {
        let unspecified = Ipv4Addr::UNSPECIFIED;
        for frame in [
            arp(ArpOperation::Reply, (OTHER, ADDRESS), unspecified),
            arp(ArpOperation::Request, (OTHER, ADDRESS), ADDRESS),
            probe(OTHER, ADDRESS),
        ] {
            assert_eq!(claimant(&frame, OWN, ADDRESS), Some(OTHER));
        }
    }

    #[test]
    fn our_own_frames_and_those_about_other_addresses_claim_nothing() {
        let elsewhere = Ipv4Addr::new(10, 0, 0, 8);
        for frame in [
            probe(OWN, ADDRESS),
            arp(ArpOperation::Reply, (OWN, ADDRESS), ADDRESS),
            arp(ArpOperation::Reply, (OTHER, elsewhere), ADDRESS),
            // A router looks for whoever has the address: that is we, in a moment.
            arp(ArpOperation::Request, (OTHER, elsewhere), ADDRESS),
            arp(ArpOperation::Reply, (Mac::BROADCAST, ADDRESS), ADDRESS),
            Vec::new(),
        ] {
            assert_eq!(claimant(&frame, OWN, ADDRESS), None);
        }
        let probe = probe(OTHER, ADDRESS);
        for length in 0..probe.len() {
            assert_eq!(claimant(&probe[..length], OWN, ADDRESS), None, "{length}");
        }
    }
}
