//! UDP sockets as a boot server needs them: broadcast, bound to one interface.
//!
//! There is no unsafe code here: nix wraps every option. It lives beside [`crate::arrival`] because the two are
//! used together, and so that the server itself names no socket option.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket, sockopt,
};

/// What a UDP server socket is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The local address and port; `0.0.0.0` takes broadcasts as well, port 0 asks for a free one.
    pub address: SocketAddrV4,
    /// The only interface to hear and to speak on (`SO_BINDTODEVICE`), by name.
    pub interface: Option<&'a str>,
}

/// Which step of opening a UDP socket failed.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket could not be made or an option could not be set.
    #[error("a UDP socket could not be set up")]
    Socket(#[source] io::Error),
    /// `SO_BINDTODEVICE` was refused: no such interface, or no `CAP_NET_RAW`.
    #[error("a UDP socket could not be bound to the interface {interface}")]
    Interface {
        /// The interface that was asked for.
        interface: String,
        /// `ENODEV` or `EPERM`, most often.
        source: io::Error,
    },
    /// The address or port was refused: taken, not ours, or below 1024 without the right to it.
    #[error("UDP port {} could not be bound on {}", address.port(), address.ip())]
    Address {
        /// The address that was asked for.
        address: SocketAddrV4,
        /// `EADDRINUSE`, `EADDRNOTAVAIL` or `EACCES`, most often.
        source: io::Error,
    },
}

impl BindError {
    /// The system's answer, for callers that look for a cure.
    #[must_use]
    pub fn system(&self) -> &io::Error {
        match self {
            Self::Socket(source)
            | Self::Interface { source, .. }
            | Self::Address { source, .. } => source,
        }
    }
}

/// Opens a non-blocking UDP socket that may broadcast.
///
/// The interface is set before the address: two servers can then share port 67 on one host when each has an
/// interface of its own (a libvirt network's dnsmasq beside us).
///
/// # Errors
/// [`BindError`], which says which step failed.
pub fn open(binding: Binding<'_>) -> Result<UdpSocket, BindError> {
    let system = |errno: nix::Error| io::Error::from(errno);
    let fd = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )
    .map_err(|errno| BindError::Socket(system(errno)))?;
    setsockopt(&fd, sockopt::Broadcast, &true).map_err(|errno| BindError::Socket(system(errno)))?;
    if let Some(interface) = binding.interface {
        setsockopt(&fd, sockopt::BindToDevice, &interface.into()).map_err(|errno| {
            BindError::Interface {
                interface: interface.to_owned(),
                source: system(errno),
            }
        })?;
    }
    let address = SockaddrIn::from(binding.address);
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).map_err(|errno| BindError::Address {
        address: binding.address,
        source: system(errno),
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
    fn a_free_port_is_found_and_a_second_owner_is_refused_by_name() {
        let first = open(loopback(0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = open(loopback(port)).unwrap_err();
        assert_eq!(error.system().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            error.to_string(),
            format!("UDP port {port} could not be bound on 127.0.0.1")
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
