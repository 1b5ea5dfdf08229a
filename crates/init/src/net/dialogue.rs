//! What a DHCP client must know to go on with a lease that another one won.

use crate::clock::Moment;

/// How a lease was won, as whole Ethernet frames: what a renewer goes on from.
#[derive(Debug, Clone)]
pub(crate) struct Dialogue {
    /// The client's last word.
    pub(crate) asked: Vec<u8>,
    /// The server's.
    pub(crate) answered: Vec<u8>,
    /// When that came.
    pub(crate) at: Moment,
}
