//! The kernel's interfaces and addresses by rtnetlink(7): listed, and told when they change.
//!
//! A listing needs no new socket and no file: the confined server can make neither.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netroot_net::{Mac, Prefix};
use netroot_proto::netlink::{
    DONE, DUMP, ERROR, Message, REQUEST, Request, attributes, u16_at, u32_at,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, sockopt};

use super::candidate::Candidate;
use super::error::InterfaceError;
use super::own_address::OwnAddress;
use crate::serve::netlink::{self, refused};

// include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, if.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
/// `RTNLGRP_IPV4_NETCONF`, as a bit: forwarding was switched.
const RTMGRP_IPV4_NETCONF: u32 = 1 << 23;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RT_TABLE_LOCAL: u8 = 255;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_PROTO: u16 = 11;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_LOWER_UP: u32 = 0x10000;
const AF_INET: u8 = 2;
const AF_UNSPEC: u8 = 0;

/// How long the kernel may take to answer; it does at once.
const ANSWER: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};
/// A datagram of a listing has 32 KiB at most.
const DATAGRAM: usize = 32 << 10;
/// How many notifications are read before anything else happens.
const MOST_NOTIFICATIONS: usize = 1024;

/// A socket on which interfaces are listed.
#[derive(Debug)]
pub(crate) struct RouteSocket(OwnedFd);

/// A socket on which the kernel tells of every change of an interface or an IPv4 address.
#[derive(Debug)]
pub(crate) struct ChangeSocket(OwnedFd);

impl RouteSocket {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn open() -> io::Result<Self> {
        bound(0).map(Self)
    }

    /// Every interface of this machine with its IPv4 addresses, in the kernel's order.
    ///
    /// # Errors
    /// The kernel's, or `TimedOut`.
    pub(crate) fn list(&self) -> io::Result<Vec<Candidate>> {
        let mut found = Vec::new();
        self.dump(RTM_GETLINK, &[0; 16], |message| found.extend(link(message)))?;
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let family = [AF_INET, 0, 0, 0, 0, 0, 0, 0];
        self.dump(RTM_GETADDR, &family, |message| {
            if let Some((index, own)) = address(message)
                && let Some(of) = found.iter_mut().find(|link| link.index == index)
            {
                of.addresses.push(own);
            }
        })?;
        Ok(found)
    }

    /// The networks that this machine reaches by IPv4, each with the index of its interface; `0.0.0.0/0` is the default
    /// route. In the kernel's order, those of every table but the local one.
    ///
    /// # Errors
    /// The kernel's, or `TimedOut`.
    pub(crate) fn routes(&self) -> io::Result<Vec<(Prefix, u32)>> {
        let mut found = Vec::new();
        // struct rtmsg: family, lengths, TOS, table, protocol, scope, type, flags.
        let family = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        self.dump(RTM_GETROUTE, &family, |message| {
            found.extend(route(message))
        })?;
        Ok(found)
    }

    /// Has the kernel do what one message asks for, which wants to be acknowledged.
    ///
    /// # Errors
    /// The kernel's, or `TimedOut`.
    pub(crate) fn change(&self, message: &[u8]) -> io::Result<()> {
        netlink::send(&self.0, message)?;
        let mut done = Err(io::ErrorKind::TimedOut.into());
        self.receive(|message| match message.kind {
            ERROR => {
                done = refused(message).map_or(Ok(()), Err);
                true
            }
            _ => false,
        })?;
        done
    }

    fn dump(&self, kind: u16, fixed: &[u8], mut each: impl FnMut(&Message<'_>)) -> io::Result<()> {
        let request = Request::new(kind, REQUEST | DUMP, u32::from(kind), fixed).finish();
        netlink::send(&self.0, &request)?;
        let mut failed = None;
        self.receive(|message| {
            match message.kind {
                DONE => return true,
                ERROR => {
                    failed = refused(message);
                    return true;
                }
                _ => each(message),
            }
            false
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Receives messages until `is_last` says so.
    fn receive(&self, mut is_last: impl FnMut(&Message<'_>) -> bool) -> io::Result<()> {
        netlink::receive(&self.0, &ANSWER, DATAGRAM, |message| Ok(is_last(message)))
    }
}

impl ChangeSocket {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn open() -> io::Result<Self> {
        bound(RTMGRP_LINK | RTMGRP_IPV4_IFADDR).map(Self)
    }

    /// Opens one that tells of forwarding being switched, too.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn open_with_forwarding() -> io::Result<Self> {
        bound(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_NETCONF).map(Self)
    }

    /// Reads what has been told; `WouldBlock` if that is nothing. What it is does not matter: the interfaces are listed
    /// anew, which also mends an overrun.
    ///
    /// # Errors
    /// `WouldBlock`.
    pub(crate) fn changed(&self) -> io::Result<()> {
        let mut any = false;
        for _ in 0..MOST_NOTIFICATIONS {
            // The rest of a notification is dropped.
            match rustix::net::recv(&self.0, &mut [0; 64][..], RecvFlags::DONTWAIT) {
                Ok(_) | Err(Errno::NOBUFS) => any = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if any => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Whether it has told of something that has not been read.
    pub(crate) fn has_more(&self) -> bool {
        let mut waiting = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut waiting, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// A second descriptor of the socket, for an event loop that wants to own what it polls.
    ///
    /// # Errors
    /// The kernel's, when the process is out of descriptors.
    pub(crate) fn try_clone_for_polling(&self) -> io::Result<std::net::UdpSocket> {
        Ok(self.0.try_clone()?.into())
    }
}

impl AsFd for ChangeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Every interface of this machine, in the kernel's order.
pub(crate) fn list() -> Result<Vec<Candidate>, InterfaceError> {
    let listed = RouteSocket::open().and_then(|socket| socket.list());
    listed.map_err(InterfaceError::List)
}

fn bound(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // `NETLINK_ROUTE` is protocol 0, which rustix expresses as none.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let _ = sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// `struct ifinfomsg` (family, padding, type, index, flags, change) and its attributes.
fn link(message: &Message<'_>) -> Option<Candidate> {
    let body = message.body;
    if message.kind != RTM_NEWLINK || body.first() != Some(&AF_UNSPEC) {
        return None;
    }
    let flags = u32_at(body, 8)?;
    let mut link = Candidate {
        name: String::new(),
        index: u32_at(body, 4)?,
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        mac: None,
        addresses: Vec::new(),
        has_frames: matches!(u16_at(body, 2)?, ARPHRD_ETHER | ARPHRD_LOOPBACK),
        mtu: 1500,
        carrier: flags & IFF_LOWER_UP != 0,
        controller: None,
    };
    for (attribute, value) in attributes(body.get(16..)?) {
        match attribute {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MASTER => link.controller = u32_at(value, 0),
            // Of a longer one, as InfiniBand has, the beginning.
            IFLA_ADDRESS => link.mac = value.first_chunk().copied().map(Mac),
            IFLA_MTU => {
                let mtu = u32_at(value, 0).unwrap_or(1500);
                link.mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
            }
            _ => {}
        }
    }
    Some(link)
}

/// `struct ifaddrmsg` and its attributes: an interface's index and one of its addresses.
fn address(message: &Message<'_>) -> Option<(u32, OwnAddress)> {
    let (&[family, length, ..], body) = (message.body.first_chunk::<8>()?, message.body);
    if message.kind != RTM_NEWADDR || family != AF_INET {
        return None;
    }
    let (mut local, mut prefix, mut label, mut setter) = (None, None, None, None);
    for (attribute, value) in attributes(body.get(8..)?) {
        let address = || value.first_chunk::<4>().copied().map(Ipv4Addr::from);
        match attribute {
            IFA_LOCAL => local = address(),
            IFA_ADDRESS => prefix = address(),
            IFA_LABEL => label = Some(text(value)),
            IFA_PROTO => setter = value.first().copied(),
            _ => {}
        }
    }
    // On a point-to-point link `IFA_ADDRESS` is the peer's.
    let own = local.or(prefix)?;
    let own = OwnAddress {
        address: own,
        network: Prefix::clamped(prefix.unwrap_or(own), length),
        label: label.filter(|label| label.contains(':')),
        setter,
    };
    Some((u32_at(body, 4)?, own))
}

/// `struct rtmsg` and its attributes: a network and the interface behind which it is.
fn route(message: &Message<'_>) -> Option<(Prefix, u32)> {
    let body = message.body;
    let &[family, length, _, _, table, _, _, kind] = body.first_chunk::<8>()?;
    let counts = message.kind == RTM_NEWROUTE && family == AF_INET && kind == RTN_UNICAST;
    if !counts || table == RT_TABLE_LOCAL {
        return None;
    }
    let (mut network, mut interface) = (Ipv4Addr::UNSPECIFIED, None);
    for (attribute, value) in attributes(body.get(12..)?) {
        match attribute {
            RTA_DST => network = value.first_chunk::<4>().copied()?.into(),
            RTA_OIF => interface = u32_at(value, 0),
            _ => {}
        }
    }
    Some((Prefix::clamped(network, length), interface.unwrap_or(0)))
}

fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use netroot_proto::netlink::messages;

    use super::*;

    fn new_address(local: [u8; 4], prefix: [u8; 4], length: u8, label: &str) -> Vec<u8> {
        let fixed = [AF_INET, length, 0, 0, 7, 0, 0, 0];
        Request::new(RTM_NEWADDR, 0, 0, &fixed)
            .attribute(IFA_ADDRESS, &prefix)
            .attribute(IFA_LOCAL, &local)
            .attribute(IFA_LABEL, label.as_bytes())
            .finish()
    }

    fn read(bytes: &[u8]) -> (u32, OwnAddress) {
        address(&messages(bytes).next().unwrap()).unwrap()
    }

    #[test]
    fn a_peer_and_a_label_are_read() {
        let own = [10, 0, 0, 1];
        let (index, plain) = read(&new_address(own, own, 24, "eth0\0"));
        assert_eq!((index, plain.label.as_deref()), (7, None));
        assert_eq!(plain.network.to_string(), "10.0.0.1/24");
        let (_, alias) = read(&new_address(own, own, 24, "eth0:1\0"));
        assert_eq!(alias.label.as_deref(), Some("eth0:1"));
        let (_, peer) = read(&new_address(own, [10, 0, 0, 2], 32, "ppp0\0"));
        assert_eq!(peer.network.to_string(), "10.0.0.2/32");
        assert_eq!(peer.address, Ipv4Addr::from(own));
    }

    #[test]
    fn a_link_is_read_and_a_ports_message_of_a_bridge_is_not() {
        let mut fixed = [0; 16];
        fixed[4] = 7;
        fixed[8] = 0x3;
        let with = |fixed: &[u8]| {
            Request::new(RTM_NEWLINK, 0, 0, fixed)
                .attribute(IFLA_IFNAME, b"ib0\0")
                .attribute(IFLA_ADDRESS, &[9; 20])
                .attribute(IFLA_MTU, &65520_u32.to_ne_bytes())
                .finish()
        };
        let bytes = with(&fixed);
        let found = link(&messages(&bytes).next().unwrap()).unwrap();
        assert_eq!((found.name.as_str(), found.index), ("ib0", 7));
        assert_eq!((found.mtu, found.mac), (65520, Some(Mac([9; 6]))));
        assert!(found.up && !found.loopback);
        fixed[0] = 7;
        assert!(link(&messages(&with(&fixed)).next().unwrap()).is_none());
    }

    #[test]
    fn routes_are_read_but_for_the_local_table_and_for_what_is_no_network() {
        let with = |table: u8, kind: u8, length: u8| {
            let fixed = [AF_INET, length, 0, 0, table, 3, 0, kind, 0, 0, 0, 0];
            let request = Request::new(RTM_NEWROUTE, 0, 0, &fixed);
            let request = match length {
                0 => request,
                _ => request.attribute(RTA_DST, &[10, 20, 0, 0]),
            };
            let bytes = request.attribute(RTA_OIF, &7_u32.to_ne_bytes()).finish();
            route(&messages(&bytes).next().unwrap()).map(|(to, index)| (to.to_string(), index))
        };
        assert_eq!(with(254, 1, 16), Some(("10.20.0.0/16".to_owned(), 7)));
        assert_eq!(with(100, 1, 0), Some(("0.0.0.0/0".to_owned(), 7)));
        assert_eq!(with(RT_TABLE_LOCAL, 1, 32), None);
        // A blackhole is nobody's network.
        assert_eq!(with(254, 6, 16), None);
    }

    #[test]
    fn this_machine_has_a_loopback() {
        let found = RouteSocket::open().unwrap().list().unwrap();
        assert!(found.iter().any(|one| one.loopback && one.name == "lo"));
    }
}
