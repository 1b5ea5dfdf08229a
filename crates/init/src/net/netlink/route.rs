//! A socket of rtnetlink(7), and routes.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netroot_net::Route;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::clock::{Moment, timespec};
use netroot_proto::netlink::{
    ACK, CREATE, DONE, ERROR, Message, REPLACE, REQUEST, Request, error_number, family, messages,
};

/// `NETLINK_ROUTE` is protocol 0, which rustix expresses as none.
const NETLINK_ROUTE: Option<rustix::net::Protocol> = None;
// include/uapi/linux/rtnetlink.h
const RTM_NEWROUTE: u16 = 24;
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

/// The timeout for the kernel's reply. It replies at once unless something is very wrong.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// The most notifications that are read at a time; the socket stays readable while there are more.
pub(super) const MOST_NOTIFICATIONS: usize = 1024;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The socket could not be opened.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The request could not be sent, or its reply could not be read.
    #[error("cannot {action} by netlink")]
    Talk {
        /// What was requested.
        action: &'static str,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// The kernel refused.
    #[error("the kernel refuses to {action}")]
    Refused {
        /// What was requested.
        action: &'static str,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

/// A socket for requests; a subscribed one also receives notifications.
#[derive(Debug)]
pub(crate) struct RouteSocket {
    fd: OwnedFd,
    sequence: u32,
}

impl RouteSocket {
    /// A socket for requests.
    pub(crate) fn open() -> Result<Self, NetlinkError> {
        Self::bound(0).map_err(NetlinkError::Open)
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

    /// Adds a route through a link, with `source` as the preferred source address.
    pub(crate) fn add_route(
        &mut self,
        index: u32,
        route: &Route,
        source: IpAddr,
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
            family(source),
            route.destination.length(),
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
        .address(RTA_PREFSRC, source);
        if !route.is_default() {
            request = request.address(RTA_DST, route.destination.address());
        }
        if let Some(gateway) = route.gateway {
            request = request.address(RTA_GATEWAY, gateway);
        }
        self.exchange("add a route", request, |_| {})
    }

    pub(super) fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    /// Sends a request and reads until the reply is complete.
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
        // For the whole reply: a dump of thousands of entries takes milliseconds.
        let deadline = Moment::now().after(REPLY_TIMEOUT);
        loop {
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(talk(io::ErrorKind::TimedOut.into()));
            }
            let timeout = timespec(left);
            let ready = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout));
            match ready {
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
