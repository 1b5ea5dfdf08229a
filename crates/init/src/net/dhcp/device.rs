//! smoltcp's view of a NIC: a packet socket that repeats what was not answered.

use std::net::Ipv4Addr;

use netroot_proto::dhcp::client_identity::ClientIdentity;
use netroot_proto::dhcp::lease::{Lease, LeaseError};
use netroot_proto::dhcp::offers::{Delivery, Offers, Outgoing, Score};
use netroot_proto::dhcp::{Mac, conflict};
use netroot_sys::packet::PacketSocket;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, Ipv4Packet, UdpPacket};

use super::repeat::Repeat;
use crate::clock::Moment;

/// The largest Ethernet frame: DHCP needs no jumbo frames.
pub(super) const FRAME: usize = 1514;

/// A NIC for one DHCP client.
#[derive(Debug)]
pub(super) struct DhcpDevice {
    socket: PacketSocket,
    /// Frames go out only then; without a carrier they would be dropped, and the first try be lost.
    carrier: bool,
    repeat: Repeat,
    /// What this machine says of itself.
    identity: ClientIdentity,
    /// What is weighed before smoltcp hears of it.
    offers: Offers,
    /// What smoltcp hears next.
    next: Option<Delivery>,
    /// What it heard last, as it came.
    received: Vec<u8>,
    buffer: Vec<u8>,
}

impl DhcpDevice {
    pub(super) fn new(socket: PacketSocket, mac: Mac, identity: ClientIdentity) -> Self {
        DhcpDevice {
            socket,
            carrier: false,
            repeat: Repeat::new(),
            identity,
            offers: Offers::new(mac),
            next: None,
            received: Vec::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn socket(&self) -> &PacketSocket {
        &self.socket
    }

    /// The carrier came or went.
    pub(super) fn carrier(&mut self, carrier: bool, now: Moment) {
        self.carrier = carrier;
        if carrier {
            self.repeat.at_once(now);
        }
    }

    /// When there is something to send.
    pub(super) fn repeat_at(&self) -> Option<Moment> {
        self.repeat.at().filter(|_| self.carrier)
    }

    /// Takes a frame from the NIC; false if there is none.
    pub(super) fn hear(&mut self, now: Moment) -> bool {
        self.buffer.resize(FRAME, 0);
        // An error (the NIC went away, or is down) reads as silence; netlink tells the reason.
        let Some(length) = self.socket.receive(&mut self.buffer).ok().flatten() else {
            return false;
        };
        let frame = self.buffer.get(..length).unwrap_or_default();
        self.offers.arrived(frame, now.since_kernel());
        true
    }

    /// An offer that was passed over because it cannot be used, with its sender.
    pub(super) fn useless(&mut self) -> Option<(Ipv4Addr, LeaseError)> {
        self.offers.useless()
    }

    /// Puts before smoltcp what it is to hear by now; false if there is nothing.
    pub(super) fn deliver(&mut self, now: Moment, judge: &dyn Fn(&Lease) -> Score) -> bool {
        self.next = self.offers.next(now.since_kernel(), judge);
        self.next.is_some()
    }

    /// When there will be something for smoltcp to hear, if no frame comes before.
    pub(super) fn deliver_at(&self) -> Option<Moment> {
        self.offers.next_at().map(Moment::at)
    }

    /// The lease, with the root that a boot server named beside the DHCP server.
    pub(super) fn completed(&self, lease: Lease, judge: &dyn Fn(&Lease) -> Score) -> Lease {
        self.offers.completed(lease, judge)
    }

    /// Tells the server that the address granted is another machine's.
    pub(super) fn decline(&mut self) -> std::io::Result<()> {
        let frame = conflict::decline(self.repeat.frame());
        self.repeat.stop();
        frame.map_or(Ok(()), |frame| self.socket.send(&frame))
    }

    /// The offer that smoltcp hears next.
    pub(super) fn offer(&self) -> Option<Lease> {
        Lease::read(self.next.as_ref()?.message()).ok()
    }

    /// Sends what is due.
    pub(super) fn repeat(&mut self, now: Moment) -> std::io::Result<()> {
        if !self.carrier {
            return Ok(());
        }
        let Some((frame, beside)) = self.repeat.due(now) else {
            return Ok(());
        };
        self.socket.send(frame)?;
        beside.map_or(Ok(()), |beside| self.socket.send(beside))
    }

    /// The lease is there: nothing is repeated any more.
    pub(super) fn answered(&mut self) {
        self.repeat.stop();
    }

    /// The frame that smoltcp sent last.
    pub(super) fn last_sent(&self) -> &[u8] {
        self.repeat.frame()
    }

    /// The frame that smoltcp saw last, as it came.
    pub(super) fn last_received(&self) -> &[u8] {
        &self.received
    }

    /// The DHCP message in the frame that smoltcp saw last, as it came.
    pub(super) fn last_message(&self) -> Option<&[u8]> {
        let frame = EthernetFrame::new_checked(self.received.as_slice()).ok()?;
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        Some(UdpPacket::new_checked(packet.payload()).ok()?.payload())
    }
}

impl DhcpDevice {
    fn sending(&mut self, now: Instant) -> Sending<'_> {
        Sending {
            repeat: &mut self.repeat,
            identity: &self.identity,
            offers: &mut self.offers,
            now,
        }
    }
}

impl Device for DhcpDevice {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Received, Sending<'_>)> {
        let Delivery { frame, received } = self.next.take()?;
        self.received = received;
        Some((Received(frame), self.sending(timestamp)))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Sending<'_>> {
        Some(self.sending(timestamp))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        // virtio and veth leave the checksum to hardware that the frame never reaches: a packet socket then sees
        // it half done, and a receiver that checks it hears nothing.
        capabilities.checksum.udp = Checksum::Tx;
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities
    }
}

/// A frame that came in.
pub(super) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// A frame to be sent: it is kept, and leaves when [`DhcpDevice::repeat`] is called next.
pub(super) struct Sending<'a> {
    repeat: &'a mut Repeat,
    identity: &'a ClientIdentity,
    offers: &'a mut Offers,
    now: Instant,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        let beside = self.identity.beside(&frame);
        let frame = self.identity.with_identity(&frame).unwrap_or(frame);
        let outgoing = self.offers.sent(&frame);
        self.repeat
            .take(frame, beside, Moment::from_smoltcp(self.now));
        if outgoing == Outgoing::Swallow {
            self.repeat.stop();
        }
        result
    }
}
