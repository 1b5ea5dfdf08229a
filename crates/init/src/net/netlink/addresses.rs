//! The IPv4 addresses of a link: adding, removing and listing them, and notifications of changes.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use netroot_net::Prefix;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::route::{MOST_NOTIFICATIONS, NetlinkError, RouteSocket};
use netroot_proto::netlink::{
    ACK, CREATE, DUMP, Message, REPLACE, REQUEST, Request, attributes, family, u32_at,
};

// include/uapi/linux/rtnetlink.h, if_addr.h
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_PERMANENT: u8 = 0x80;
const AF_INET: u8 = 2;

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkAddress {
    /// The link's index.
    pub(crate) index: u32,
    /// The address with its prefix length.
    pub(crate) prefix: Prefix,
    /// It does not expire. Addresses set by a DHCP client usually do.
    pub(crate) permanent: bool,
}

impl LinkAddress {
    /// Parses `struct ifaddrmsg` and its attributes.
    fn read(message: &Message<'_>) -> Option<Self> {
        let [family, prefix, flags, _scope] = *message.body.first_chunk()?;
        let octets: [u8; 4] = attributes(message.body.get(8..)?)
            .find(|(kind, _)| *kind == IFA_LOCAL)
            .and_then(|(_, value)| value.try_into().ok())?;
        (family == AF_INET).then_some(LinkAddress {
            index: u32_at(message.body, 4)?,
            prefix: Prefix::clamped(Ipv4Addr::from(octets), prefix),
            permanent: flags & IFA_F_PERMANENT != 0,
        })
    }
}

impl RouteSocket {
    /// A socket that becomes readable whenever an IPv4 address or route is added or removed.
    pub(crate) fn subscribed_to_addresses() -> Result<Self, NetlinkError> {
        Self::bound(RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE).map_err(NetlinkError::Open)
    }

    /// Discards the pending notifications: they only say that it is time to check.
    pub(crate) fn discard_notifications(&mut self) {
        let mut buffer = [0; 512];
        // An overrun is a notification too; reading it clears it.
        for _ in 0..MOST_NOTIFICATIONS {
            match rustix::net::recv(self.as_fd(), &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }

    /// Lists the IPv4 addresses of a link.
    pub(crate) fn addresses(&mut self, index: u32) -> Result<Vec<LinkAddress>, NetlinkError> {
        let mut found = Vec::new();
        let fixed = [AF_INET, 0, 0, 0, 0, 0, 0, 0];
        let request = Request::new(RTM_GETADDR, REQUEST | DUMP, self.next(), &fixed);
        self.exchange("list the addresses", request, |message| {
            found.extend(LinkAddress::read(message).filter(|a| a.index == index));
        })?;
        Ok(found)
    }

    /// Adds an address to a link, without a lifetime: the root must not be lost when a lease expires.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Prefix,
        broadcast: Option<Ipv4Addr>,
    ) -> Result<(), NetlinkError> {
        let request = Request::new(
            RTM_NEWADDR,
            REQUEST | ACK | CREATE | REPLACE,
            self.next(),
            &address_message(index, address),
        )
        .address(IFA_LOCAL, address.address())
        .address(IFA_ADDRESS, address.address());
        let request = match broadcast {
            Some(broadcast) => request.address(IFA_BROADCAST, broadcast.into()),
            None => request,
        };
        self.exchange("set the address", request, |_| {})
    }

    /// Removes an address, and with it the routes that use it.
    pub(crate) fn remove_address(
        &mut self,
        index: u32,
        address: Prefix,
    ) -> Result<(), NetlinkError> {
        let fixed = address_message(index, address);
        let request = Request::new(RTM_DELADDR, REQUEST | ACK, self.next(), &fixed)
            .address(IFA_LOCAL, address.address());
        self.exchange("remove the address", request, |_| {})
    }
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index. Without a lifetime attribute it is permanent.
fn address_message(index: u32, address: Prefix) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [
        family(address.address()),
        address.length(),
        0,
        0,
        a,
        b,
        c,
        d,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_lists_the_address_of_its_loopback_interface() {
        let mut socket = RouteSocket::open().unwrap();
        let links = socket.links().unwrap();
        let loopback = links.iter().find(|l| l.loopback).unwrap();
        let found = socket.addresses(loopback.index).unwrap();
        // A new network namespace has a loopback interface that is down and has no address.
        assert!(
            !loopback.up
                || found
                    .iter()
                    .any(|a| a.prefix.to_string() == "127.0.0.1/8" && a.permanent),
            "{found:?}"
        );
        assert!(socket.addresses(u32::MAX >> 1).unwrap().is_empty());
    }

    #[test]
    fn an_address_that_expires_is_distinguished_from_a_permanent_one() {
        let read = |flags: u8| {
            let bytes = Request::new(20, 0, 0, &[AF_INET, 24, flags, 0, 2, 0, 0, 0])
                .attribute(1, &[10, 0, 0, 7])
                .attribute(IFA_LOCAL, &[10, 0, 0, 7])
                .finish();
            let message = netroot_proto::netlink::messages(&bytes).next().unwrap();
            LinkAddress::read(&message).unwrap()
        };
        assert_eq!(read(0).prefix.to_string(), "10.0.0.7/24");
        assert!(read(IFA_F_PERMANENT).permanent && !read(0).permanent);
    }
}
