//! The unspecified address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `0.0.0.0` or `::`, in the IP version of `like`: what to bind a socket to that talks to `like`.
#[must_use]
pub fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
