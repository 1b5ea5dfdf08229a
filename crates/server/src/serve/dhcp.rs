//! DHCP, beside another server or as the only one.
//!
//! [`address_probe`]: which addresses are in use before they are given out. [`other_networks`]: how many answers leave
//! this one. [`service`]: datagram → request → decision → bytes. [`rogue_dhcp`]: who else answers, at the start, asked
//! by [`probing`]; [`overhear`]: the same later. [`frame`]: UDP in an
//! Ethernet frame, for machines without an address.

pub(crate) mod address_probe;
pub(crate) mod frame;
pub(crate) mod kept_addresses;
mod other_networks;
pub(crate) mod overhear;
pub(crate) mod probing;
pub(crate) mod rogue_dhcp;
pub(crate) mod script_path;
pub(crate) mod service;
