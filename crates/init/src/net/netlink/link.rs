//! Links: listing them, and the changes that apply to every kind of link.

use std::io;
use std::os::fd::AsFd;

use netroot_net::Mac;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::route::{MOST_NOTIFICATIONS, NetlinkError, RouteSocket};
use netroot_proto::netlink::{
    ACK, DUMP, Message, REQUEST, Request, attributes, messages, u16_at, u32_at,
};

// include/uapi/linux/rtnetlink.h, if_link.h, if_arp.h, net/if.h
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTMGRP_LINK: u32 = 1;
pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const ARPHRD_ETHER: u16 = 1;
pub(super) const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_LOWER_UP: u32 = 0x1_0000;
const AF_UNSPEC: u8 = 0;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its index.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its Ethernet address, if it is an Ethernet interface.
    pub(crate) mac: Option<Mac>,
    /// It is set up (`IFF_UP`).
    pub(crate) up: bool,
    /// It has a carrier (`IFF_LOWER_UP`).
    pub(crate) carrier: bool,
    /// The kernel has processed the carrier change (`IFF_RUNNING`), up to a second later. Until then, frames of some
    /// drivers are dropped.
    pub(crate) running: bool,
    /// It is a loopback interface: `lo`.
    pub(crate) loopback: bool,
    /// The largest packet, in bytes.
    pub(crate) mtu: u32,
    /// It was removed.
    pub(crate) gone: bool,
}

impl Link {
    /// Parses `struct ifinfomsg` and its attributes.
    fn read(message: &Message<'_>) -> Option<Self> {
        let body = message.body;
        let kind = u16_at(body, 2)?;
        let flags = u32_at(body, 8)?;
        let mut link = Link {
            index: u32_at(body, 4)?,
            name: String::new(),
            mac: None,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            running: flags & IFF_RUNNING != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            mtu: 1500,
            // A bridge sends the same message for a port that it releases (AF_BRIDGE, `br_ifinfo_notify`).
            gone: message.kind == RTM_DELLINK && body.first() == Some(&AF_UNSPEC),
        };
        for (attribute, value) in attributes(body.get(16..)?) {
            match attribute {
                IFLA_IFNAME => {
                    let name = value.split(|b| *b == 0).next().unwrap_or_default();
                    link.name = String::from_utf8_lossy(name).into_owned();
                }
                IFLA_ADDRESS if kind == ARPHRD_ETHER => {
                    link.mac = <[u8; 6]>::try_from(value).ok().map(Mac);
                }
                IFLA_MTU => link.mtu = u32_at(value, 0).unwrap_or(link.mtu),
                _ => {}
            }
        }
        Some(link)
    }
}

impl RouteSocket {
    /// A socket that is notified of every link that changes.
    pub(crate) fn subscribed_to_links() -> Result<Self, NetlinkError> {
        Self::bound(RTMGRP_LINK).map_err(NetlinkError::Open)
    }

    /// The links that changed since the last call. An error means that notifications were lost: call
    /// [`RouteSocket::links`].
    pub(crate) fn changed_links(&mut self) -> io::Result<Vec<Link>> {
        let mut buffer = vec![0; 16 << 10];
        let mut links = Vec::new();
        for _ in 0..MOST_NOTIFICATIONS {
            match rustix::net::recv(self.as_fd(), &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => links.extend(links_in(buffer.get(..length).unwrap_or_default())),
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(links)
    }

    /// Lists all links.
    pub(crate) fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let action = "list the interfaces";
        let mut links = Vec::new();
        let request = Request::new(RTM_GETLINK, REQUEST | DUMP, self.next(), &[0; 16]);
        self.exchange(action, request, |message| links.extend(Link::read(message)))?;
        Ok(links)
    }

    /// Sets a link up.
    pub(crate) fn set_up(&mut self, index: u32) -> Result<(), NetlinkError> {
        let fixed = link_message(index, IFF_UP, IFF_UP);
        let request = Request::new(RTM_NEWLINK, REQUEST | ACK, self.next(), &fixed);
        self.exchange("set the interface up", request, |_| {})
    }

    /// Sets a link's MTU, in bytes.
    pub(crate) fn set_mtu(&mut self, index: u32, mtu: u16) -> Result<(), NetlinkError> {
        let fixed = link_message(index, 0, 0);
        let request = Request::new(RTM_NEWLINK, REQUEST | ACK, self.next(), &fixed)
            .attribute(IFLA_MTU, &u32::from(mtu).to_ne_bytes());
        self.exchange("set the MTU", request, |_| {})
    }
}

fn links_in(datagram: &[u8]) -> Vec<Link> {
    messages(datagram)
        .filter(|m| matches!(m.kind, RTM_NEWLINK | RTM_DELLINK))
        .filter_map(|m| Link::read(&m))
        .collect()
}

/// `struct ifinfomsg`: family, padding, type, index, flags, change.
pub(super) fn link_message(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    let numbers = index
        .to_ne_bytes()
        .into_iter()
        .chain(flags.to_ne_bytes())
        .chain(change.to_ne_bytes());
    for (byte, value) in fixed.iter_mut().skip(4).zip(numbers) {
        *byte = value;
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: u16, hardware: u16, flags: u32) -> Vec<u8> {
        let mut fixed = link_message(2, flags, 0);
        fixed[2..4].copy_from_slice(&hardware.to_ne_bytes());
        Request::new(kind, 0, 0, &fixed)
            .attribute(IFLA_IFNAME, b"eth0\0")
            .attribute(IFLA_ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x56])
            .attribute(IFLA_MTU, &1500u32.to_ne_bytes())
            .finish()
    }

    #[test]
    fn a_link_is_parsed_with_its_name_address_and_carrier() {
        let found = links_in(&link(
            RTM_NEWLINK,
            ARPHRD_ETHER,
            IFF_UP | IFF_LOWER_UP | IFF_RUNNING,
        ));
        assert_eq!(found.len(), 1);
        let link = &found[0];
        assert_eq!(
            (link.index, link.name.as_str(), link.mtu),
            (2, "eth0", 1500)
        );
        assert_eq!(link.mac, Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])));
        assert!(link.up && link.carrier && !link.gone && !link.loopback);
    }

    #[test]
    fn only_ethernet_interfaces_have_an_ethernet_address() {
        assert_eq!(links_in(&link(RTM_NEWLINK, 772, IFF_LOOPBACK))[0].mac, None);
        assert!(links_in(&link(RTM_DELLINK, ARPHRD_ETHER, 0))[0].gone);
    }

    #[test]
    fn the_kernel_lists_its_loopback_interface() {
        let mut socket = RouteSocket::open().unwrap();
        let links = socket.links().unwrap();
        assert!(
            links
                .iter()
                .any(|l| l.name == "lo" && l.loopback && l.mac.is_none())
        );
        assert!(
            socket.set_mtu(u32::MAX >> 1, 1500).is_err(),
            "no such interface"
        );
    }
}
