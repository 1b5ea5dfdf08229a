//! A packet, and what becomes of it.

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives.
    Accepted,
    /// It is dropped or rejected.
    Dropped,
    /// Rules decide that are not understood here.
    Unknown,
}

/// A new packet from a machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    /// Where it arrives.
    pub(super) interface: &'a str,
    /// UDP or TCP, in the words of both programs.
    pub(super) protocol: &'static str,
    /// Its destination port.
    pub(super) port: u16,
}
