//! The servers that a boot needs or meets.

pub(crate) mod dhcp_relay;
pub(crate) mod dnsmasq;
pub(crate) mod foreign_dhcp;
pub(crate) mod ganesha;
pub(crate) mod iscsi_target;
pub(crate) mod netroot;
pub mod nfsd;
pub(crate) mod nginx;
