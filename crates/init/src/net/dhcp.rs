//! DHCP on every NIC at once.
//!
//! [`client`] asks on one NIC; netroot-proto weighs and reads what the servers answer, with the [`offer_score`] that
//! says whether an offer leads to a root. [`nic_selection`] chooses among the NICs. [`firmware`] is what the machine
//! says about itself, and [`inform`] asks for what a fixed address lacks.

pub(crate) mod client;
mod device;
pub(crate) mod firmware;
pub(crate) mod inform;
mod neighbours;
pub(crate) mod nic_selection;
pub(crate) mod offer_score;
mod repeat;
