//! A network and its next hop.

use std::fmt;
use std::net::IpAddr;

use crate::Prefix;
use crate::unspecified::unspecified;

/// One route. Displays as `10.0.0.0/8 via 10.0.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The network; a prefix of length 0 makes this the default route.
    pub destination: Prefix,
    /// The gateway; `None` if the network is on this link.
    pub gateway: Option<IpAddr>,
}

impl Route {
    /// The default route through this gateway.
    #[must_use]
    pub fn default_via(gateway: impl Into<IpAddr>) -> Self {
        let gateway = gateway.into();
        Self {
            destination: Prefix::clamped(unspecified(gateway), 0),
            gateway: Some(gateway),
        }
    }

    /// Whether this is the default route: a destination with a prefix of length 0.
    #[must_use]
    pub fn is_default(self) -> bool {
        self.destination.length() == 0
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.destination)?;
        match self.gateway {
            Some(gateway) => write!(f, "via {gateway}"),
            None => f.write_str("on link"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_displayed_as_by_ip_route() {
        let gateway = std::net::Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(
            Route::default_via(gateway).to_string(),
            "0.0.0.0/0 via 10.0.0.1"
        );
        let on_link = Route {
            destination: Prefix::host(gateway),
            gateway: None,
        };
        assert_eq!(on_link.to_string(), "10.0.0.1/32 on link");
    }
}
