//! The address that stands for every address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `0.0.0.0` or `::`, of the version of `like`: what a socket is bound to that talks to `like`.
#[must_use]
pub fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
