//! DHCP, beside another server or as the only one.
//!
//! [`service`]: datagram → request → decision → bytes. [`rogue_dhcp`]: who else answers. [`frame`]: UDP in an
//! Ethernet frame, for machines without an address.

mod frame;
pub(crate) mod rogue_dhcp;
pub(crate) mod service;
