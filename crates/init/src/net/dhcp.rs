//! DHCP on every NIC at once.
//!
//! netroot-proto's exchange decides what to send and reads what the servers answer; [`client`] runs it on one NIC, with
//! the [`offer_score`] that says whether an offer leads to a root. [`nic_selection`] chooses among the NICs.
//! [`client_identity`] describes the machine to servers, and [`inform`] requests what a static address lacks.

pub(crate) mod client;
pub(crate) mod client_identity;
pub(crate) mod inform;
pub(crate) mod nic_selection;
pub(crate) mod offer_score;
