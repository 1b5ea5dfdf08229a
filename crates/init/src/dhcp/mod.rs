//! DHCP on every NIC at once.
//!
//! smoltcp's socket decides what is said ([`client`]); [`device`] carries it over a packet socket and says it
//! again until it is answered; netroot-proto reads what the server answers; [`race`] decides whose answer holds.

pub(crate) mod client;
mod device;
pub(crate) mod race;
mod repeat;
