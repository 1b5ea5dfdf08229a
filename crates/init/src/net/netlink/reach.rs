//! Which way the kernel would send a packet.

use std::net::Ipv4Addr;

use super::message::{ACK, REQUEST, Request, attributes};
use super::route::{NetlinkError, RouteSocket};

// include/uapi/linux/rtnetlink.h
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
/// `sizeof(struct rtmsg)`.
const HEADER: usize = 12;
const AF_INET: u8 = 2;
/// Bits of an address.
const WHOLE: u8 = 32;

impl RouteSocket {
    /// Whether a packet to that address goes straight to it: by whichever link, since two cards may be in one network.
    ///
    /// # Errors
    /// When the kernel does not say. That there is no route at all is an answer.
    pub(crate) fn reaches(&mut self, other: Ipv4Addr) -> Result<bool, NetlinkError> {
        let fixed: [u8; HEADER] = [AF_INET, WHOLE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let request = Request::new(RTM_GETROUTE, REQUEST | ACK, self.next(), &fixed)
            .attribute(RTA_DST, &other.octets());
        let mut straight = false;
        let asked = self.exchange("find a route", request, |message| {
            let body = message.body.get(HEADER..).unwrap_or_default();
            straight = !attributes(body).any(|(kind, _)| kind == RTA_GATEWAY);
        });
        match asked {
            Ok(()) => Ok(straight),
            Err(NetlinkError::Refused { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_network_is_reached_and_a_network_of_nobody_is_not() {
        let mut socket = RouteSocket::open().unwrap();
        let links = socket.links().unwrap();
        // A network namespace begins with a loopback interface that is down.
        let up = links.iter().any(|link| link.loopback && link.up);
        assert_eq!(socket.reaches(Ipv4Addr::new(127, 3, 2, 1)).unwrap(), up);
        // By a router or not at all, but for hosts whose default route is a tunnel.
        let routes = std::fs::read_to_string("/proc/net/route").unwrap();
        let is_tunnel = |line: &str| {
            let mut words = line.split_whitespace().skip(1);
            (words.next(), words.next()) == (Some("00000000"), Some("00000000"))
        };
        let straight = routes.lines().any(is_tunnel);
        let nobody = Ipv4Addr::new(198, 51, 100, 1);
        assert_eq!(socket.reaches(nobody).unwrap(), straight);
    }
}
