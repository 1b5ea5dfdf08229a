//! Questions to the machines on one wire: who has this address? (RFC 826)

use std::net::Ipv4Addr;

use netroot_proto::dhcp::Mac;
use netroot_proto::dhcp::conflict::{claimant, probe};
use netroot_sys::packet::PacketSocket;

/// The longest frame looked at, padding included.
const FRAME: usize = 64;
/// Frames looked at in one go: on a wire full of ARP the reading has an end too.
const BURST: usize = 64;

/// A NIC that asks. The questions name no address of its own, so that nobody's memory is spoiled.
#[derive(Debug)]
pub(crate) struct Arp {
    own: Mac,
    socket: PacketSocket,
}

impl Arp {
    /// On the wire of the NIC with this index and address. `None` where the kernel has no packet sockets.
    pub(crate) fn on(index: u32, own: Mac) -> Option<Self> {
        let socket = PacketSocket::for_arp(index).ok()?;
        Some(Arp { own, socket })
    }

    /// Asks once; whether the question was sent.
    pub(crate) fn ask(&self, address: Ipv4Addr) -> bool {
        self.socket.send(&probe(self.own, address)).is_ok()
    }

    /// Who said to have `address` since the last look, each as often as it said so.
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
