//! Router solicitations of one interface's neighbours (ICMPv6, RFC 4861), and what goes back to one of them.

use std::io::{self, IoSliceMut};
use std::mem::size_of;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6,
    recvmsg, sendto, setsockopt, socket, sockopt,
};

/// `ff02::2`: where a machine asks for routers.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// What a neighbour's message arrives with, since every router takes one off (RFC 4861 §6.1).
const FROM_A_NEIGHBOUR: i32 = 255;
/// The ICMPv6 type of a router solicitation.
const ROUTER_SOLICITATION: usize = 133;
/// `ICMPV6_FILTER` (`include/uapi/linux/icmpv6.h`): one bit for each type that is *not* wanted.
const ICMPV6_FILTER: libc::c_int = 1;

/// Why solicitations cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum SolicitationError {
    /// No raw socket: `EAFNOSUPPORT` on a kernel without IPv6, `EPERM` without `CAP_NET_RAW`.
    #[error("a raw ICMPv6 socket could not be set up")]
    Socket(#[source] io::Error),
    /// The interface took no member of `ff02::2`: IPv6 is switched off on it, most often.
    #[error("the interface {interface} could not be made to hear router solicitations")]
    Join {
        /// The interface.
        interface: String,
        /// The system's answer.
        source: io::Error,
    },
}

/// A non-blocking socket that hears the router solicitations of one interface and nothing else.
#[derive(Debug)]
pub struct SolicitationSocket {
    fd: OwnedFd,
}

/// One solicitation's way to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solicitation {
    /// How many bytes of the buffer it filled, from the ICMPv6 type on.
    pub length: usize,
    /// Who sent it, with the interface as its scope.
    pub from: SocketAddrV6,
    /// The hop limit that it arrived with; 0 if the kernel does not tell.
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
        hear_solicitations_only(fd.as_fd()).map_err(SolicitationError::Socket)?;
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).map_err(failed)?;
        setsockopt(&fd, sockopt::Ipv6RecvHopLimit, &true).map_err(failed)?;
        setsockopt(&fd, sockopt::Ipv6Ttl, &FROM_A_NEIGHBOUR).map_err(failed)?;
        rustix::net::sockopt::set_ipv6_add_membership(&fd, &ALL_ROUTERS, index).map_err(
            |errno| SolicitationError::Join {
                interface: interface.to_owned(),
                source: errno.into(),
            },
        )?;
        Ok(Self { fd })
    }

    /// The same socket a second time, for an event loop that has to own what it waits for: it knows sockets as
    /// UDP's, and does nothing with this one but wait.
    ///
    /// # Errors
    /// The kernel's, when there are no descriptors left.
    pub fn to_wait_for(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket::from(self.fd.try_clone()?))
    }

    /// Takes one message; `WouldBlock` when there is none.
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

    /// Sends one ICMPv6 message; the kernel fills its checksum in.
    ///
    /// # Errors
    /// The kernel's; `AddrNotAvailable` while the interface has no link-local address.
    pub fn send(&self, message: &[u8], to: SocketAddrV6) -> io::Result<()> {
        let to = SockaddrIn6::from(to);
        sendto(self.fd.as_raw_fd(), message, &to, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// Without it every neighbour discovery on the wire would wake the server.
fn hear_solicitations_only(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut unwanted = [u32::MAX; 8];
    if let Some(word) = unwanted.get_mut(ROUTER_SOLICITATION / 32) {
        *word &= !(1 << (ROUTER_SOLICITATION % 32));
    }
    let size = libc::socklen_t::try_from(size_of::<[u32; 8]>())
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the option's value is `struct icmp6_filter`, eight 32-bit words: `unwanted`, of `size` bytes, which
    // outlives the call. The kernel copies it; on a socket of another kind it would answer with an error.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_ICMPV6,
            ICMPV6_FILTER,
            (&raw const unwanted).cast(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
