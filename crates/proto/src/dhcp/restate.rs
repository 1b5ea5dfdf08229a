//! A server's message put so that smoltcp's client takes it.
//!
//! smoltcp's `dhcpv4` socket drops an ACK without a netmask, one whose options stand in
//! `file` or `sname` (52), and one that does not name its server (54): real servers send
//! all three, and the client then asks for ever. The state machine is smoltcp's, the
//! reading is [`super::options`]': between NIC and socket the message is read tolerantly
//! and written anew with what the state machine needs. The lease itself is read from
//! the original, by [`Lease::read`].

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

use std::net::Ipv4Addr;

use super::emit::{Draft, SAFE_LENGTH};
use super::lease::Lease;
use super::options::Message;
use super::{CLIENT_PORT, Mac, MessageType, SERVER_PORT, code, is_host_address, netmask};

/// Most DNS servers that smoltcp has room for. All are in [`Lease::dns`].
const MOST_SERVERS: usize = 3;

/// Restates the UDP payload of an OFFER, ACK or NAK that came from `source`. `None` for
/// everything else, and for what gives no lease: pass that on as it is.
pub fn message(datagram: &[u8], source: Ipv4Addr) -> Option<Vec<u8>> {
    message_as(datagram, source, Message::read(datagram).ok()?.kind()?)
}

/// Restates a server's message as one of another kind: a reply of BOOTP, which has none,
/// or an ACK that came without an OFFER.
fn message_as(datagram: &[u8], source: Ipv4Addr, kind: MessageType) -> Option<Vec<u8>> {
    let read = Message::read(datagram).ok()?;
    if read.header.from_client {
        return None;
    }
    // A server that does not give its name is reached where it sent from.
    let server = read
        .options
        .address(code::SERVER_ID)
        .filter(|id| is_host_address(*id));
    let server = server.unwrap_or(source);
    let mut draft = Draft::new(read.header.clone());
    draft.push(code::MESSAGE_TYPE, &[kind.into()]);
    draft.push(code::SERVER_ID, &server.octets());
    match kind {
        MessageType::Offer | MessageType::Ack => {
            let lease = Lease::read(datagram).ok()?;
            draft.push(code::SUBNET_MASK, &netmask(lease.prefix).octets());
            if read.kind().is_none() {
                // An address by BOOTP is for ever; smoltcp would say two minutes.
                draft.push(code::LEASE_TIME, &u32::MAX.to_be_bytes());
            }
            for (code, time) in [
                (code::LEASE_TIME, read.options.u32(code::LEASE_TIME)),
                (code::RENEWAL_TIME, seconds(lease.renew_after)),
                (code::REBINDING_TIME, seconds(lease.rebind_after)),
            ] {
                // A lease of no time at all would be lost in the moment it is won.
                if let Some(time) = time.filter(|time| *time > 0) {
                    draft.push(code, &time.to_be_bytes());
                }
            }
            draft.push_addresses(code::ROUTERS, lease.routers.get(..1).unwrap_or_default());
            let dns = lease.dns.get(..MOST_SERVERS).unwrap_or(&lease.dns);
            draft.push_addresses(code::NAME_SERVERS, dns);
        }
        MessageType::Nak => {}
        _ => return None,
    }
    Some(draft.emit(SAFE_LENGTH).bytes)
}

fn seconds(time: Option<std::time::Duration>) -> Option<u32> {
    time.and_then(|time| u32::try_from(time.as_secs()).ok())
}

/// Restates a whole Ethernet frame from a packet socket. `None` means: pass the frame on
/// as it is.
pub fn frame(received: &[u8]) -> Option<Vec<u8>> {
    let (datagram, _) = server_message(received)?;
    frame_as(received, Message::read(datagram).ok()?.kind()?)
}

/// Restates a whole frame as a message of this kind.
pub(super) fn frame_as(received: &[u8], kind: MessageType) -> Option<Vec<u8>> {
    let (datagram, source) = server_message(received)?;
    let payload = message_as(datagram, source, kind)?;
    rewrap(received, (SERVER_PORT, CLIENT_PORT), &payload)
}

/// The frame with another payload between the same hosts.
pub(super) fn rewrap(frame: &[u8], ports: (u16, u16), payload: &[u8]) -> Option<Vec<u8>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let (source, destination) = (ip.src_addr(), ip.dst_addr());
    let ethernet = EthernetRepr::parse(&ethernet).ok()?;
    Some(wrap(ethernet, (source, destination), ports, payload))
}

/// The DHCP message of a server's frame, and the address that it came from.
pub(super) fn server_message(frame: &[u8]) -> Option<(&[u8], Ipv4Addr)> {
    datagram(frame, (SERVER_PORT, CLIENT_PORT))
}

/// The DHCP message of a client's frame.
pub(super) fn client_message(frame: &[u8]) -> Option<&[u8]> {
    datagram(frame, (CLIENT_PORT, SERVER_PORT)).map(|(message, _)| message)
}

fn datagram(frame: &[u8], ports: (u16, u16)) -> Option<(&[u8], Ipv4Addr)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    // A fragment holds no whole message.
    if ip.next_header() != IpProtocol::Udp || ip.more_frags() || ip.frag_offset() != 0 {
        return None;
    }
    let source = ip.src_addr();
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    ((udp.src_port(), udp.dst_port()) == ports).then(|| (udp.payload(), source))
}

/// A client's message as a frame from its card and address to every server on the wire.
pub(super) fn broadcast(mac: Mac, address: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(mac.0),
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Ipv4,
    };
    let hosts = (address, Ipv4Addr::BROADCAST);
    wrap(ethernet, hosts, (CLIENT_PORT, SERVER_PORT), payload)
}

fn wrap(
    ethernet: EthernetRepr,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    (src_port, dst_port): (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let udp = UdpRepr { src_port, dst_port };
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: 64,
    };
    let length = ethernet.buffer_len() + ip.buffer_len() + udp.header_len() + payload.len();
    let mut bytes = vec![0; length];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &checksums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let copy = |into: &mut [u8]| into.copy_from_slice(payload);
    udp.emit(
        &mut datagram,
        &source.into(),
        &destination.into(),
        payload.len(),
        copy,
        &checksums,
    );
    bytes
}
