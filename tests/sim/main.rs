//! The simulated pair: both ends of a conversation under one fake clock, over a wire that
//! loses, delays, doubles and reorders. No sockets, no root, and every run of a seed is
//! the same run.
//!
//! * [`wire`]: the wire and its dice.
//! * [`lan`]: an Ethernet of servers (our decision) and clients (smoltcp's `dhcpv4` socket,
//!   as the init uses it).
//! * [`leases`]: DHCP scenarios on it.
//! * [`files`]: our TFTP sender against a receiver that behaves like EDK2's.

mod files;
mod lan;
mod leases;
mod wire;
