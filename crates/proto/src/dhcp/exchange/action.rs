//! What an exchange asks of the program that owns the NIC, and what it found.

use std::net::Ipv4Addr;

use netroot_net::Mac;

use super::super::lease::{Lease, LeaseError};

/// What to do for the exchange, or what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this Ethernet frame.
    Send(Vec<u8>),
    /// Ask by ARP who has this address ([`super::super::conflict::probe`]) and report each owner to
    /// [`claimed`](super::Exchange::claimed); if the probe cannot be sent, call [`probe_failed`](super::Exchange::probe_failed).
    Probe(Ipv4Addr),
    /// An offer or a grant that gives no usable lease was passed over. Offers are reported
    /// once.
    Unusable {
        /// The server, by the address that it sent from.
        server: Ipv4Addr,
        /// It was a grant (ACK).
        granted: bool,
        /// Why it cannot be used.
        error: LeaseError,
    },
    /// The granted address is another machine's.
    InUse {
        /// The address.
        address: Ipv4Addr,
        /// The other machine.
        owner: Mac,
        /// It is declined and another address is asked for; else it is used anyway.
        declined: bool,
    },
    /// The lease is won, and the exchange is over.
    Bound(Box<Bound>),
}

/// A lease and how it was won, for whoever renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The lease; its root may be a boot server's beside the DHCP server.
    pub lease: Lease,
    /// The REQUEST as an Ethernet frame. Where none was needed, the one that would have been
    /// sent.
    pub asked: Vec<u8>,
    /// The ACK or BOOTP reply, as it came.
    pub answered: Vec<u8>,
}
