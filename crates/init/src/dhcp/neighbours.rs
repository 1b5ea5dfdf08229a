//! Whether an offered address is somebody else's: asked while the server is still granting it.

use std::time::Duration;

use netroot_proto::dhcp::conflict::{claimant, probe};
use netroot_proto::dhcp::{Mac, lease::Lease};
use netroot_sys::packet::PacketSocket;

use crate::clock::Moment;

/// How long after the question an address counts as free. RFC 5227 waits for seconds; a neighbour that is awake
/// answers within one millisecond, and the REQUEST takes some of this time anyway.
const WAIT: Duration = Duration::from_millis(50);
/// The longest ARP frame, padding included.
const FRAME: usize = 64;
/// Frames looked at in one go.
const BURST: usize = 64;

/// The other machines on a NIC's wire, as far as addresses go.
#[derive(Debug)]
pub(super) struct Neighbours {
    own: Mac,
    /// Without it every address counts as free.
    socket: Option<PacketSocket>,
    asked: Option<(std::net::Ipv4Addr, Moment)>,
}

impl Neighbours {
    /// Those on the wire of the NIC with this index and address.
    pub(super) fn of(index: u32, own: Mac) -> Self {
        Neighbours {
            own,
            socket: PacketSocket::for_arp(index).ok(),
            asked: None,
        }
    }

    /// Asks for the address of an offer, once.
    pub(super) fn ask(&mut self, offer: &Lease, now: Moment) {
        let known = self
            .asked
            .is_some_and(|(address, _)| address == offer.address);
        if let Some(socket) = self.socket.as_ref().filter(|_| !known)
            && socket.send(&probe(self.own, offer.address)).is_ok()
        {
            self.asked = Some((offer.address, now));
        }
    }

    /// When the answer counts.
    pub(super) fn answered_at(&self) -> Option<Moment> {
        self.asked.map(|(_, asked)| asked.after(WAIT))
    }

    /// The machine that has the address that was asked for. The question is closed.
    pub(super) fn owner(&mut self) -> Option<Mac> {
        let (address, _) = self.asked.take()?;
        let mut frame = [0; FRAME];
        let mut owner = None;
        for _ in 0..BURST {
            let length = self.socket.as_ref()?.receive(&mut frame).ok().flatten();
            let Some(received) = length.and_then(|length| frame.get(..length)) else {
                break;
            };
            owner = owner.or_else(|| claimant(received, self.own, address));
        }
        owner
    }
}
