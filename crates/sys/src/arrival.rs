//! The interface and the local address that a datagram arrived on (`IP_PKTINFO`).
//!
//! A boot server replies from the address that was asked, on the interface that the request arrived on: without a
//! default route a broadcast fails otherwise (`ENETUNREACH`), and firmware drops a TFTP reply from another address of
//! the same host. No unsafe code: nix carries the control messages.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};

/// A UDP socket of IPv4 that reports where each datagram arrived.
#[derive(Debug)]
pub struct ArrivalSocket {
    socket: UdpSocket,
}

/// Where a datagram came from and where it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its length in the buffer, in bytes.
    pub length: usize,
    /// True when the datagram was longer than the buffer and was truncated.
    pub truncated: bool,
    /// The sender.
    pub from: SocketAddrV4,
    /// The index of the interface it arrived on.
    pub interface: u32,
    /// Our address on that interface: the source address of a reply (`ipi_spec_dst`).
    pub local: Ipv4Addr,
    /// The destination in its IP header: ours, or a broadcast address.
    pub destination: Ipv4Addr,
}

/// Room for requests that come while the server does something else, in bytes, of which the kernel takes some 800 for each:
/// those of a few hundred machines whose power comes back, and of a server that waits for a processor for a tenth of a second.
/// `net.core.rmem_default` has room for 250.
const ROOM: usize = 1 << 20;

impl ArrivalSocket {
    /// Turns on `IP_PKTINFO`, and makes room for many datagrams, as far as the kernel permits it without `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        if setsockopt(&socket, sockopt::RcvBufForce, &ROOM).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &ROOM)?;
        }
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        Ok(Self { socket })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// The kernel's.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.socket.local_addr()
    }

    /// A second descriptor of the socket, for an event loop that wants to own what it polls.
    ///
    /// # Errors
    /// The kernel's, when the process is out of descriptors.
    pub fn try_clone_for_polling(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// Receives one datagram; `WouldBlock` when none is queued.
    ///
    /// # Errors
    /// The kernel's; `InvalidData` for a datagram without a sender or `IP_PKTINFO`, which IPv4 never delivers.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        let mut control = nix::cmsg_space!(libc::in_pktinfo);
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let info = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
            _ => None,
        });
        let (Some(from), Some(info)) = (message.address, info) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        Ok(Arrival {
            length: message.bytes,
            truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
            from: SocketAddrV4::from(from),
            interface: u32::try_from(info.ipi_ifindex).unwrap_or(0),
            local: Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)),
            destination: Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)),
        })
    }

    /// Sends `bytes` to `to`, out of `interface` (an index; 0 lets routing choose) and from `local`
    /// (`0.0.0.0` lets the kernel choose).
    ///
    /// # Errors
    /// The kernel's; `WouldBlock` when the queue is full.
    pub fn send(
        &self,
        bytes: &[u8],
        to: SocketAddrV4,
        interface: u32,
        local: Ipv4Addr,
    ) -> io::Result<()> {
        let info = libc::in_pktinfo {
            ipi_ifindex: i32::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?,
            ipi_spec_dst: libc::in_addr {
                s_addr: u32::from(local).to_be(),
            },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &[ControlMessage::Ipv4PacketInfo(&info)],
            MsgFlags::MSG_DONTWAIT,
            Some(&SockaddrIn::from(to)),
        )?;
        Ok(())
    }
}

/// A socket that [`ArrivalSocket::new`] set up in another process, and passed on.
impl From<OwnedFd> for ArrivalSocket {
    fn from(fd: OwnedFd) -> Self {
        Self { socket: fd.into() }
    }
}

impl From<ArrivalSocket> for OwnedFd {
    fn from(socket: ArrivalSocket) -> Self {
        socket.socket.into()
    }
}

impl AsFd for ArrivalSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for ArrivalSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udp::{Binding, open};

    fn arrivals() -> (ArrivalSocket, u16) {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let socket = open(Binding {
            address: any,
            interface: None,
        })
        .unwrap();
        let port = socket.local_addr().unwrap().port();
        (ArrivalSocket::new(socket).unwrap(), port)
    }

    fn wait(socket: &ArrivalSocket, buffer: &mut [u8]) -> Arrival {
        for _ in 0..500 {
            match socket.receive(buffer) {
                Ok(arrival) => return arrival,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no datagram within a second");
    }

    #[test]
    fn a_reply_comes_from_the_address_that_was_asked() {
        let (server, port) = arrivals();
        let asked = Ipv4Addr::new(127, 0, 0, 42);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"where?", (asked, port)).unwrap();

        let mut buffer = [0; 64];
        let arrival = wait(&server, &mut buffer);
        assert_eq!(&buffer[..arrival.length], b"where?");
        assert_eq!(arrival.local, asked);
        assert_eq!(arrival.destination, asked);
        assert_eq!(arrival.interface, 1, "loopback is the first interface");
        assert!(!arrival.truncated);

        server
            .send(b"here", arrival.from, arrival.interface, arrival.local)
            .unwrap();
        client
            .set_read_timeout(Some(std::time::Duration::from_secs(2)))
            .unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"here");
        assert_eq!(from, (asked, port).into());
    }

    #[test]
    fn a_datagram_longer_than_the_buffer_is_marked_truncated() {
        let (server, port) = arrivals();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .send_to(&[7; 100], (Ipv4Addr::LOCALHOST, port))
            .unwrap();
        let mut buffer = [0; 10];
        let arrival = wait(&server, &mut buffer);
        assert!(arrival.truncated);
        assert_eq!(arrival.length, 10);
    }
}
