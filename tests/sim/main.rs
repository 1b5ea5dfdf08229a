//! The simulated pair: both ends of a conversation under one fake clock, over a link that
//! loses, delays, doubles and reorders. No sockets, no root, and every run of a seed is
//! the same run.
//!
//! * [`lossy_link`]: the link and its dice.
//! * [`lan`]: an Ethernet of [`server`]s (our decision) and [`client`]s (our init, and
//!   smoltcp's `dhcpv4` socket), over [`frames`].
//! * [`leases`]: DHCP scenarios on it.
//! * [`offers`]: our init among several servers.
//! * [`hostile_dhcp`]: our init among servers that lie.
//! * [`inform`]: our init with an address and without the rest.
//! * [`captures`], [`pcap`], [`firmware`]: real firmware's packets, and our [`decisions`] about them.
//! * [`requests`], [`proxy`]: what we answer to other requests, as the DHCP server and beside one.
//! * [`identity`]: our init beside the firmware of its machine.
//! * [`malformed_packets`]: random, cut and damaged bytes, and properties over random values.
//! * [`files`]: our TFTP sender against a receiver that behaves like EDK2's.

// Dice and block numbers are cut to size on purpose here.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

// `cfg(test)` says to clippy that unwrapping is fine in here.
#[cfg(test)]
mod captures;
#[cfg(test)]
mod client;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod files;
#[cfg(test)]
mod firmware;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod hostile_dhcp;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inform;
#[cfg(test)]
mod lan;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod lossy_link;
#[cfg(test)]
mod malformed_packets;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod pcap;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod server;
