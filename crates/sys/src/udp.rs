//! UDP sockets for a boot server: broadcast, bound to one interface.
//!
//! No unsafe code: nix wraps every option. It is in this crate because it is used with [`crate::arrival`], and so
//! that the server sets no socket options itself.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};

/// What a UDP server socket is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The local address and port; `0.0.0.0` receives broadcasts as well; port 0 asks for a free one.
    pub address: SocketAddrV4,
    /// The name of the only interface to receive and send on (`SO_BINDTODEVICE`).
    pub interface: Option<&'a str>,
}

/// Which step of opening a UDP socket failed.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket could not be made or an option could not be set.
    #[error("cannot set up a UDP socket")]
    Socket(#[source] io::Error),
    /// `SO_BINDTODEVICE` was refused: no such interface, or no `CAP_NET_RAW`.
    #[error("cannot bind a UDP socket to the interface {interface}")]
    Interface {
        /// The interface that was asked for.
        interface: String,
        /// Usually `ENODEV` or `EPERM`.
        source: io::Error,
    },
    /// The address or port was refused: in use, not an address of this host, or below 1024 without
    /// `CAP_NET_BIND_SERVICE`.
    #[error("cannot bind UDP port {} on {}", address.port(), address.ip())]
    Address {
        /// The address that was asked for.
        address: SocketAddrV4,
        /// Usually `EADDRINUSE`, `EADDRNOTAVAIL` or `EACCES`.
        source: io::Error,
    },
}

impl BindError {
    /// The kernel's error, for callers that look for a remedy.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        match self {
            Self::Socket(source)
            | Self::Interface { source, .. }
            | Self::Address { source, .. } => source,
        }
    }
}

/// Opens a non-blocking UDP socket that may broadcast.
///
/// The interface is set before the address, so that two servers can share port 67 of one host, each on its own
/// interface (such as the dnsmasq of a libvirt network).
///
/// # Errors
/// [`BindError`], which says which step failed.
pub fn open(binding: Binding<'_>) -> Result<UdpSocket, BindError> {
    open_with(binding, false)
}

/// The same beside other programs that allow it (`SO_REUSEADDR`): each gets a copy of a broadcast. For port 68, which
/// the host's own DHCP client may have.
///
/// # Errors
/// As [`open`].
pub fn open_shared(binding: Binding<'_>) -> Result<UdpSocket, BindError> {
    open_with(binding, true)
}

fn open_with(binding: Binding<'_>, shared: bool) -> Result<UdpSocket, BindError> {
    let io_error = |errno: nix::Error| io::Error::from(errno);
    let fd = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )
    .map_err(|errno| BindError::Socket(io_error(errno)))?;
    setsockopt(&fd, sockopt::Broadcast, &true)
        .map_err(|errno| BindError::Socket(io_error(errno)))?;
    if shared {
        setsockopt(&fd, sockopt::ReuseAddr, &true)
            .map_err(|errno| BindError::Socket(io_error(errno)))?;
    }
    if let Some(interface) = binding.interface {
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).map_err(|errno| {
            BindError::Interface {
                interface: interface.to_owned(),
                source: io_error(errno),
            }
        })?;
    }
    let address = SockaddrIn::from(binding.address);
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).map_err(|errno| BindError::Address {
        address: binding.address,
        source: io_error(errno),
    })?;
    Ok(UdpSocket::from(fd))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn loopback(port: u16) -> Binding<'static> {
        Binding {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port),
            interface: None,
        }
    }

    #[test]
    fn a_taken_port_is_reported_with_its_number() {
        let first = open(loopback(0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = open(loopback(port)).unwrap_err();
        assert_eq!(error.io_error().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!("cannot bind UDP port {port} on 127.0.0.1")
        );
    }

    #[test]
    fn an_interface_that_does_not_exist_is_named() {
        let error = open(Binding {
            address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            interface: Some("no-such-if0"),
        })
        .unwrap_err();
        assert!(error.to_string().contains("no-such-if0"), "{error}");
    }
}
