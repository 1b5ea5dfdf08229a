//! DHCP, beside another server or as the only one.
//!
//! [`service`]: datagram → request → decision → bytes. [`role`]: which of the two this server is; [`leases`]: the
//! addresses that it gave, on disk. [`rogue_dhcp`]: who else answers. [`solicitations`]: what keeps iPXE from
//! waiting for an IPv6 router. [`frame`]: UDP in an Ethernet frame, for machines without an address.

pub(crate) mod frame;
pub(crate) mod leases;
pub(crate) mod rogue_dhcp;
pub(crate) mod role;
pub(crate) mod service;
pub(crate) mod solicitations;
