//! DHCP on every NIC at once.
//!
//! smoltcp's socket decides what is said ([`client`]); [`device`] carries it over a packet socket and says it
//! again until it is answered; netroot-proto weighs and reads what the servers answer; [`race`] decides whose answer
//! holds, by what it is [`worth`]. [`firmware`] is what the machine says of itself, and [`inform`] asks for what a fixed address lacks.

pub(crate) mod client;
mod device;
pub(crate) mod firmware;
pub(crate) mod inform;
mod neighbours;
pub(crate) mod race;
mod repeat;
pub(crate) mod worth;
