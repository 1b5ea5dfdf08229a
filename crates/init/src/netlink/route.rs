//! Links, addresses and routes (rtnetlink(7)).

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netroot_proto::dhcp::Mac;
use netroot_proto::dhcp::lease::Route;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use super::message::{
    ACK, CREATE, DONE, DUMP, ERROR, Message, REPLACE, REQUEST, Request, attributes, error_number,
    messages, u16_at, u32_at,
};

/// Protocol 0, which is what no protocol at all means.
const NETLINK_ROUTE: Option<rustix::net::Protocol> = None;
// include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, if_arp.h, net/if.h
pub(super) const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTMGRP_LINK: u32 = 1;
pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_DHCP: u8 = 16;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const ARPHRD_ETHER: u16 = 1;
pub(super) const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_LOWER_UP: u32 = 0x1_0000;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;

/// How long the kernel may take to answer. It answers at once, or something is very wrong.
const ANSWER: Duration = Duration::from_secs(5);

/// Why the kernel did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The socket could not be opened.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The request could not be sent, or its answer not be read.
    #[error("cannot talk to the kernel by netlink to {action}")]
    Talk {
        /// What was asked for.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel refused.
    #[error("the kernel refuses to {action}")]
    Refused {
        /// What was asked for.
        action: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// What the kernel says of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its index.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its Ethernet address, if it is an Ethernet NIC.
    pub(crate) mac: Option<Mac>,
    /// Set up by the administrator, that is, by us.
    pub(crate) up: bool,
    /// The cable is in and the other side answers.
    pub(crate) carrier: bool,
    /// The kernel has noticed, up to a second later. Some drivers' frames are dropped until then, others' are not.
    pub(crate) running: bool,
    /// Not a network card: `lo`.
    pub(crate) loopback: bool,
    /// The largest packet in bytes.
    pub(crate) mtu: u32,
    /// It went away.
    pub(crate) gone: bool,
}

impl Link {
    /// Reads `struct ifinfomsg` and its attributes.
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
            // A bridge says the same of a port that it lets go (AF_BRIDGE, `br_ifinfo_notify`).
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

/// A socket for orders, and with [`RouteSocket::listening`] for news of links.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    fd: OwnedFd,
    sequence: u32,
}

impl RouteSocket {
    /// A socket for orders.
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        Self::bound(0).map_err(NetlinkError::Open)
    }

    /// A socket that hears of every link that changes.
    pub(crate) fn listening() -> Result<Self, NetlinkError> {
        Self::bound(RTMGRP_LINK).map_err(NetlinkError::Open)
    }

    pub(super) fn bound(groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            flags,
            NETLINK_ROUTE,
        )?;
        let _ = sockopt::set_socket_recv_buffer_size(&fd, 1 << 20);
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(RouteSocket { fd, sequence: 0 })
    }

    /// The links whose state changed since the last call. An error means that news were lost: ask for
    /// [`RouteSocket::links`].
    pub(crate) fn news(&mut self) -> io::Result<Vec<Link>> {
        let mut buffer = vec![0; 16 << 10];
        let mut links = Vec::new();
        loop {
            match rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => links.extend(links_in(buffer.get(..length).unwrap_or_default())),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(links),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Every link there is.
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

    /// Gives a link an address, for ever: nobody in the init renews it, and the root must not die with a lease.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
        broadcast: Option<Ipv4Addr>,
    ) -> Result<(), NetlinkError> {
        let request = Request::new(
            RTM_NEWADDR,
            REQUEST | ACK | CREATE | REPLACE,
            self.next(),
            &address_message(index, prefix),
        )
        .attribute(IFA_LOCAL, &address.octets())
        .attribute(IFA_ADDRESS, &address.octets());
        let request = match broadcast {
            Some(broadcast) => request.attribute(IFA_BROADCAST, &broadcast.octets()),
            None => request,
        };
        self.exchange("set the address", request, |_| {})
    }

    /// Takes an address away, and with it the routes that use it.
    pub(crate) fn remove_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> Result<(), NetlinkError> {
        let fixed = address_message(index, prefix);
        let request = Request::new(RTM_DELADDR, REQUEST | ACK, self.next(), &fixed)
            .attribute(IFA_LOCAL, &address.octets());
        self.exchange("remove the address", request, |_| {})
    }

    /// Adds a route through a link, `source` being the address to use on it.
    pub(crate) fn add_route(
        &mut self,
        index: u32,
        route: &Route,
        source: Ipv4Addr,
        by_dhcp: bool,
    ) -> Result<(), NetlinkError> {
        let scope = if route.gateway.is_some() {
            RT_SCOPE_UNIVERSE
        } else {
            RT_SCOPE_LINK
        };
        let protocol = if by_dhcp { RTPROT_DHCP } else { RTPROT_BOOT };
        // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
        let fixed = [
            AF_INET,
            route.prefix,
            0,
            0,
            RT_TABLE_MAIN,
            protocol,
            scope,
            RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let mut request = Request::new(
            RTM_NEWROUTE,
            REQUEST | ACK | CREATE | REPLACE,
            self.next(),
            &fixed,
        )
        .attribute(RTA_OIF, &index.to_ne_bytes())
        .attribute(RTA_PREFSRC, &source.octets());
        if route.prefix > 0 {
            request = request.attribute(RTA_DST, &route.destination.octets());
        }
        if let Some(gateway) = route.gateway {
            request = request.attribute(RTA_GATEWAY, &gateway.octets());
        }
        self.exchange("add a route", request, |_| {})
    }

    pub(super) fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    /// Sends a request and reads until its answer is complete.
    pub(super) fn exchange(
        &mut self,
        action: &'static str,
        request: Request,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<(), NetlinkError> {
        let talk = |source: io::Error| NetlinkError::Talk { action, source };
        rustix::net::send(&self.fd, &request.finish(), SendFlags::empty())
            .map_err(|e| talk(e.into()))?;
        let mut buffer = vec![0; 32 << 10];
        loop {
            let timeout = Timespec {
                tv_sec: ANSWER.as_secs().cast_signed(),
                tv_nsec: 0,
            };
            let ready = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout));
            match ready {
                Ok(0) => return Err(talk(io::ErrorKind::TimedOut.into())),
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(talk(e.into())),
            }
            let length = match rustix::net::recv(&self.fd, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => length,
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(e) => return Err(talk(e.into())),
            };
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => {
                        return match error_number(message.body) {
                            Some(0) => Ok(()),
                            Some(number) => {
                                let source = io::Error::from_raw_os_error(number.saturating_neg());
                                Err(NetlinkError::Refused { action, source })
                            }
                            None => Err(talk(io::ErrorKind::InvalidData.into())),
                        };
                    }
                    _ => each(&message),
                }
            }
        }
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index. Without lifetimes the kernel takes it for ever.
fn address_message(index: u32, prefix: u8) -> [u8; 8] {
    let [a, b, c, d] = index.to_ne_bytes();
    [AF_INET, prefix, 0, 0, a, b, c, d]
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
    fn a_link_is_read_with_its_name_address_and_carrier() {
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
    fn what_is_not_ethernet_has_no_address_for_dhcp() {
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
