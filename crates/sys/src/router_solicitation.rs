//! Router solicitations received on one interface (ICMPv6, RFC 4861), and the answers to them.

use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    recvmsg, sendto, setsockopt, socket, sockopt,
};

use crate::socket_option;

/// `ff02::2`, the destination of router solicitations.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// The hop limit of a message from the same link: a router would have decremented it (RFC 4861 §6.1).
const LINK_LOCAL_HOP_LIMIT: i32 = 255;
/// The ICMPv6 type of a router solicitation.
const ROUTER_SOLICITATION: usize = 133;
/// `ICMPV6_FILTER` (`include/uapi/linux/icmpv6.h`): one bit for each type that is *not* wanted.
const ICMPV6_FILTER: libc::c_int = 1;

/// Why solicitations cannot be received.
#[derive(Debug, thiserror::Error)]
pub enum SolicitationError {
    /// No raw socket: `EAFNOSUPPORT` on a kernel without IPv6, `EPERM` without `CAP_NET_RAW`.
    #[error("cannot set up a raw ICMPv6 socket")]
    Socket(#[source] io::Error),
    /// The interface could not join `ff02::2`; usually IPv6 is disabled on it.
    #[error("cannot receive router solicitations on the interface {interface}")]
    Join {
        /// The interface.
        interface: String,
        /// The kernel's error.
        source: io::Error,
    },
}

/// A non-blocking socket that receives the router solicitations of one interface and nothing else.
#[derive(Debug)]
pub struct SolicitationSocket {
    fd: OwnedFd,
}

/// Where a solicitation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solicitation {
    /// Its length in bytes, from the ICMPv6 type on.
    pub length: usize,
    /// The sender's address, with the interface as its scope.
    pub from: SocketAddrV6,
    /// Its hop limit on arrival; 0 if the kernel does not report it.
    pub hop_limit: u8,
}

impl SolicitationSocket {
    /// Opens the socket on the interface with this name and index.
    pub fn open(interface: &str, index: u32) -> Result<Self, SolicitationError> {
        let failed = |errno: nix::Error| SolicitationError::Socket(errno.into());
        let fd = socket(
            AddressFamily::Inet6,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::IcmpV6,
        )
        .map_err(failed)?;
        filter_solicitations(fd.as_fd()).map_err(SolicitationError::Socket)?;
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).map_err(failed)?;
        setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true).map_err(failed)?;
        setsockopt(&fd, sockopt::Ipv6Ttl, &LINK_LOCAL_HOP_LIMIT).map_err(failed)?;
        rustix::net::sockopt::set_ipv6_add_membership(&fd, &ALL_ROUTERS, index).map_err(
            |errno| SolicitationError::Join {
                interface: interface.to_owned(),
                source: errno.into(),
            },
        )?;
        Ok(Self { fd })
    }

    /// A second descriptor of the socket, for an event loop that wants to own what it polls. The loop knows UDP sockets
    /// only; it must do nothing with this one but poll it.
    ///
    /// # Errors
    /// The kernel's, when the process is out of descriptors.
    pub fn try_clone_for_polling(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket::from(self.fd.try_clone()?))
    }

    /// Receives one message; `WouldBlock` when none is queued.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` for a message without a sender, which IPv6 never delivers.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Solicitation> {
        let mut control = nix::cmsg_space!(libc::c_int);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn6>(
            self.fd.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let hop_limit = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv6HopLimit(limit) => u8::try_from(limit).ok(),
            _ => None,
        });
        let from = message.address.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Solicitation {
            length: message.bytes,
            from: SocketAddrV6::from(from),
            hop_limit: hop_limit.unwrap_or(0),
        })
    }

    /// Sends one ICMPv6 message; the kernel computes its checksum.
    ///
    /// # Errors
    /// The kernel's; `AddrNotAvailable` while the interface has no link-local address.
    pub fn send(&self, message: &[u8], to: SocketAddrV6) -> io::Result<()> {
        let to = SockaddrIn6::from(to);
        sendto(self.fd.as_raw_fd(), message, &to, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// A socket that [`SolicitationSocket::open`] opened in another process, and passed on.
impl From<OwnedFd> for SolicitationSocket {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<SolicitationSocket> for OwnedFd {
    fn from(socket: SolicitationSocket) -> Self {
        socket.fd
    }
}

/// Without the filter, all neighbour discovery on the segment would wake the server.
fn filter_solicitations(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut unwanted = [u32::MAX; 8];
    if let Some(word) = unwanted.get_mut(ROUTER_SOLICITATION / 32) {
        *word &= !(1 << (ROUTER_SOLICITATION % 32));
    }
    // SAFETY: the value of ICMPV6_FILTER is `struct icmp6_filter`, eight 32-bit words.
    unsafe { socket_option::set(fd, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &unwanted) }
}
