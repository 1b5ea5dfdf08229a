//! The simulator: both ends of a conversation under one fake clock, over a link that
//! loses, delays, duplicates and reorders. No sockets, no root, and every run of a seed is
//! the same.
//!
//! * [`lossy_link`]: the link and its random numbers.
//! * [`lan`]: an Ethernet of [`server`]s (our decision) and [`client`]s (our init, and
//!   smoltcp's `dhcpv4` socket), over [`frames`].
//! * [`leases`]: DHCP scenarios on it.
//! * [`offers`]: our init among several servers.
//! * [`exchange`]: our init's exchange by itself, without a network.
//! * [`hostile_dhcp`]: our init with servers that send invalid options.
//! * [`inform`]: our init with a static address, completed by DHCPINFORM.
//! * [`bundles`]: the messages of a boot that somebody reported.
//! * [`captures`], [`pcap`], [`firmware`]: real firmware's packets, and our [`decisions`] about them.
//! * [`requests`], [`proxy`]: our answers to other requests, as the DHCP server and beside one.
//! * [`identity`]: our init and the firmware of its machine.
//! * [`relay`]: machines behind relays, and on a link with several networks.
//! * [`malformed_packets`]: random, truncated and damaged bytes, and properties over random values.
//! * [`files`]: our TFTP sender against a receiver that behaves like EDK2's.

// Random numbers and block numbers are truncated on purpose here.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

// `cfg(test)` lets clippy accept unwrap in these modules.
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod client;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod exchange;
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
mod relay;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod server;
