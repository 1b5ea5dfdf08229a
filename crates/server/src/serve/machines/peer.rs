//! Who asks for a file.

use std::net::IpAddr;

use crate::catalog::KnownMachine;

/// From where a request for a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: IpAddr,
    /// Whether that is in a network of the interface, so that the kernel knows the NIC that has it.
    pub(crate) on_link: bool,
    /// Whether something that was sent to the address came back: over TCP always, over TFTP from the first ACK on. Until
    /// then the address may be invented.
    pub(crate) answers: bool,
}

/// Who asks for a file, and what is known of that machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    /// What is known.
    pub(crate) machine: KnownMachine,
    /// From where; `None` for nobody on the network.
    pub(crate) peer: Option<Peer>,
}
