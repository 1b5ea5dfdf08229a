//! Asks the kernel which route a packet would take.

use std::net::IpAddr;

use netroot_net::Prefix;

use super::route::{NetlinkError, RouteSocket};
use netroot_proto::netlink::{ACK, REQUEST, Request, attributes, family};

// include/uapi/linux/rtnetlink.h
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
/// `sizeof(struct rtmsg)`.
const HEADER: usize = 12;

impl RouteSocket {
    /// Whether an address is on-link, reached without a router: through any link, since two cards may be in one network.
    ///
    /// # Errors
    /// When the kernel does not answer. No route at all counts as not on-link.
    pub(crate) fn is_on_link(&mut self, other: IpAddr) -> Result<bool, NetlinkError> {
        let fixed: [u8; HEADER] = [
            family(other),
            Prefix::host(other).length(),
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let request =
            Request::new(RTM_GETROUTE, REQUEST | ACK, self.next(), &fixed).address(RTA_DST, other);
        let mut on_link = false;
        let asked = self.exchange("find a route", request, |message| {
            let body = message.body.get(HEADER..).unwrap_or_default();
            on_link = !attributes(body).any(|(kind, _)| kind == RTA_GATEWAY);
        });
        match asked {
            Ok(()) => Ok(on_link),
            Err(NetlinkError::Refused { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_network_is_on_link_and_another_is_not() {
        let mut socket = RouteSocket::open().unwrap();
        let links = socket.links().unwrap();
        // A new network namespace has a loopback interface that is down.
        let up = links.iter().any(|link| link.loopback && link.up);
        assert_eq!(socket.is_on_link(IpAddr::from([127, 3, 2, 1])).unwrap(), up);
        // Through a router or not at all, except on hosts whose default route is a tunnel.
        let routes = std::fs::read_to_string("/proc/net/route").unwrap();
        let is_tunnel = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            (words.next(), words.next()) == (Some("00000000"), Some("00000000"))
        };
        let on_link = routes.lines().any(is_tunnel);
        let elsewhere = IpAddr::from([198, 51, 100, 1]);
        assert_eq!(socket.is_on_link(elsewhere).unwrap(), on_link);
    }
}
