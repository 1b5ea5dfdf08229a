//! The programs that a boot needs or lives beside.

pub(crate) mod dnsmasq;
pub(crate) mod ganesha;
pub(crate) mod netroot;
