//! The first hop on the path to a server.

use std::net::IpAddr;

/// Where packets to a server are sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextHop {
    /// The server itself: it is in this machine's own network.
    Direct,
    /// A router.
    Router {
        /// Its address.
        gateway: IpAddr,
        /// Whether it is in this machine's own network.
        on_link: bool,
    },
    /// There is no route.
    NoRoute,
}
