//! Which way the kernel would send a packet.

use std::net::Ipv4Addr;

use super::message::{ACK, REQUEST, Request, attributes, u32_at};
use super::route::{NetlinkError, RouteSocket};

// include/uapi/linux/rtnetlink.h
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
/// `sizeof(struct rtmsg)`.
const HEADER: usize = 12;
const AF_INET: u8 = 2;
/// Bits of an address.
const WHOLE: u8 = 32;

impl RouteSocket {
    /// Whether a packet to that address goes out by that link and straight to it.
    ///
    /// # Errors
    /// When the kernel does not say. That there is no route at all is an answer.
    pub(crate) fn reaches(&mut self, index: u32, other: Ipv4Addr) -> Result<bool, NetlinkError> {
        let fixed: [u8; HEADER] = [AF_INET, WHOLE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let request = Request::new(RTM_GETROUTE, REQUEST | ACK, self.next(), &fixed)
            .attribute(RTA_DST, &other.octets());
        let mut straight = false;
        let asked = self.exchange("find a route", request, |message| {
            let values = || attributes(message.body.get(HEADER..).unwrap_or_default());
            let by = values().find(|(kind, _)| *kind == RTA_OIF);
            let is_by_it = by.is_some_and(|(_, value)| u32_at(value, 0) == Some(index));
            straight = is_by_it && !values().any(|(kind, _)| kind == RTA_GATEWAY);
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
    fn the_loopback_interface_reaches_its_own_network_and_no_other_does() {
        let mut socket = RouteSocket::open().unwrap();
        let links = socket.links().unwrap();
        let loopback = links.iter().find(|l| l.loopback).unwrap();
        let inside = Ipv4Addr::new(127, 3, 2, 1);
        // A network namespace begins with a loopback interface that is down.
        let reached = socket.reaches(loopback.index, inside).unwrap();
        assert_eq!(reached, loopback.up);
        assert!(!socket.reaches(u32::MAX >> 1, inside).unwrap());
    }
}
