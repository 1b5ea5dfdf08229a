//! ARP requests: which machine has this address? (RFC 826)

use std::net::Ipv4Addr;

use netroot_net::Mac;
use netroot_proto::dhcp::conflict::{claimant, probe};
use netroot_sys::packet::PacketSocket;

/// The longest frame that is read, with padding, in bytes.
const FRAME: usize = 64;
/// The most frames that are read at a time, so that a network full of ARP cannot hold up the boot.
const BURST: usize = 64;

/// Sends ARP probes on a NIC. They contain no sender address, so that they change no machine's ARP table.
#[derive(Debug)]
pub(crate) struct Arp {
    own: Mac,
    socket: PacketSocket,
}

impl Arp {
    /// Probes on the NIC with this index and Ethernet address. `None` if the kernel has no packet sockets.
    pub(crate) fn on(index: u32, own: Mac) -> Option<Self> {
        let socket = PacketSocket::for_arp(index).ok()?;
        Some(Arp { own, socket })
    }

    /// Sends one probe. Returns whether it was sent.
    pub(crate) fn probe(&self, address: Ipv4Addr) -> bool {
        self.socket.send(&probe(self.own, address)).is_ok()
    }

    /// The machines that claimed `address` since the last call, each as often as it did.
    pub(crate) fn claims(&self, address: Ipv4Addr) -> Vec<Mac> {
        let mut frame = [0; FRAME];
        let frames = std::iter::from_fn(|| {
            let length = self.socket.receive(&mut frame).ok().flatten()?;
            let received = frame.get(..length).unwrap_or_default();
            Some(claimant(received, self.own, address))
        });
        frames.take(BURST).flatten().collect()
    }
}
