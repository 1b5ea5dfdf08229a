//! smoltcp's view of a NIC: a packet socket that repeats what was not answered.

use netroot_proto::dhcp::restate;
use netroot_sys::packet::PacketSocket;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetFrame, Ipv4Packet, UdpPacket};

use super::repeat::Repeat;
use crate::clock::Moment;

/// The largest Ethernet frame: DHCP needs no jumbo frames.
const FRAME: usize = 1514;

/// A NIC for one DHCP client.
#[derive(Debug)]
pub(super) struct DhcpDevice {
    socket: PacketSocket,
    /// Frames go out only then; without a carrier they would be dropped, and the first try be lost.
    carrier: bool,
    repeat: Repeat,
    /// The last frame as it came.
    received: Vec<u8>,
    /// The same as smoltcp got it, if it had to be put differently.
    restated: Option<Vec<u8>>,
}

impl DhcpDevice {
    pub(super) fn new(socket: PacketSocket) -> Self {
        DhcpDevice {
            socket,
            carrier: false,
            repeat: Repeat::new(),
            received: Vec::new(),
            restated: None,
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

    /// Sends what is due.
    pub(super) fn repeat(&mut self, now: Moment) -> std::io::Result<()> {
        if !self.carrier {
            return Ok(());
        }
        match self.repeat.due(now) {
            Some(frame) => self.socket.send(frame),
            None => Ok(()),
        }
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

impl Device for DhcpDevice {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        self.received.resize(FRAME, 0);
        // An error (the NIC went away, or is down) reads as silence; netlink tells the reason.
        let length = self.socket.receive(&mut self.received).ok().flatten()?;
        self.received.truncate(length);
        // smoltcp leaves unheard what it finds incomplete, and would ask for ever.
        self.restated = restate::frame(&self.received);
        let frame = self.restated.as_ref().unwrap_or(&self.received);
        let sending = Sending {
            repeat: &mut self.repeat,
            now: timestamp,
        };
        Some((Received(frame), sending))
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Sending<'_>> {
        Some(Sending {
            repeat: &mut self.repeat,
            now: timestamp,
        })
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
pub(super) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// A frame to be sent: it is kept, and leaves when [`DhcpDevice::repeat`] is called next.
pub(super) struct Sending<'a> {
    repeat: &'a mut Repeat,
    now: Instant,
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.repeat.take(frame, Moment::from_smoltcp(self.now));
        result
    }
}
