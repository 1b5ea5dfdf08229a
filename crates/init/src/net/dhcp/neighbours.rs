//! Whether an offered address is somebody else's: asked while the server is still granting it.

use std::net::Ipv4Addr;
use std::time::Duration;

use netroot_proto::dhcp::{Mac, lease::Lease};

use crate::clock::Moment;
use crate::net::arp::Arp;

/// How long after the question an address counts as free. RFC 5227 waits for seconds; a neighbour that is awake
/// answers within one millisecond, and the REQUEST takes some of this time anyway.
const WAIT: Duration = Duration::from_millis(50);

/// The other machines on a NIC's wire, as far as addresses go.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// Without it every address counts as free.
    arp: Option<Arp>,
    asked: Option<(Ipv4Addr, Moment)>,
}

impl Neighbours {
    /// Those on the wire of the NIC with this index and address.
    pub(super) fn of(index: u32, own: Mac) -> Self {
        Neighbours {
            arp: Arp::on(index, own),
            asked: None,
        }
    }

    /// Asks for the address of an offer, once.
    pub(super) fn ask(&mut self, offer: &Lease, now: Moment) {
        let known = self
            .asked
            .is_some_and(|(address, _)| address == offer.address);
        if let Some(arp) = self.arp.as_ref().filter(|_| !known)
            && arp.ask(offer.address)
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
        self.arp.as_ref()?.claims(address).first().copied()
    }
}
