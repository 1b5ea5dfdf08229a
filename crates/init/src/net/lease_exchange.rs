//! What a DHCP client must know to renew a lease that another client obtained.

use crate::clock::Moment;

/// The exchange that led to a lease, as complete Ethernet frames, for the renewer to continue from.
#[derive(Debug, Clone)]
pub(crate) struct LeaseExchange {
    /// The client's DHCPREQUEST.
    pub(crate) request: Vec<u8>,
    /// The server's DHCPACK.
    pub(crate) ack: Vec<u8>,
    /// When the DHCPACK arrived.
    pub(crate) at: Moment,
}
