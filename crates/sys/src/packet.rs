//! Packet sockets: Ethernet frames of one interface, before it has an address.
//!
//! The init uses them for DHCP and for ARP probes of an address. A socket is bound to one interface for its lifetime
//! and receives frames of one protocol only. For DHCP, a filter in the kernel drops everything but UDP to the DHCP
//! client's port, so that a busy segment does not wake PID 1 for every broadcast.

use std::io;
use std::mem::size_of;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::socket_option;

/// `ETH_P_IP` (`include/uapi/linux/if_ether.h`), to be passed in network byte order.
const ETHERTYPE_IPV4: u16 = 0x0800;
/// `ETH_P_ARP`.
const ETHERTYPE_ARP: u16 = 0x0806;

/// Why a packet socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// `socket(AF_PACKET)`: [`PacketError::is_unsupported`] says whether the kernel has no such sockets.
    #[error("cannot open a packet socket")]
    Open(#[source] io::Error),
    /// The kernel refused the filter.
    #[error("cannot filter the packet socket")]
    Filter(#[source] io::Error),
    /// `bind` to the interface: `ENODEV` when it has disappeared.
    #[error("cannot bind a packet socket to interface {index}")]
    Bind {
        /// The interface's index.
        index: u32,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
}

impl PacketError {
    /// Whether the kernel has no packet sockets at all: `CONFIG_PACKET` is off, or its module is not loaded.
    pub fn is_unsupported(&self) -> bool {
        let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
        matches!(self, Self::Open(error) if error.raw_os_error() == Some(unsupported))
    }
}

/// A non-blocking socket for the DHCP frames of one interface.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens a socket on the interface with this index that receives UDP datagrams for port 68 as whole Ethernet
    /// frames, and sends any frame.
    pub fn for_dhcp_client(index: u32) -> Result<Self, PacketError> {
        let fd = open()?;
        attach(fd.as_fd(), &UDP_TO_PORT_68).map_err(PacketError::Filter)?;
        bind(fd.as_fd(), index, ETHERTYPE_IPV4)
            .map_err(|source| PacketError::Bind { index, source })?;
        Ok(PacketSocket { fd })
    }

    /// Opens a socket on the interface with this index that receives only ARP, as whole Ethernet frames, and sends
    /// any frame.
    pub fn for_arp(index: u32) -> Result<Self, PacketError> {
        let fd = open()?;
        bind(fd.as_fd(), index, ETHERTYPE_ARP)
            .map_err(|source| PacketError::Bind { index, source })?;
        Ok(PacketSocket { fd })
    }

    /// Reads the next queued frame, if any, into `buffer` and returns its length in bytes. A frame longer than the
    /// buffer is truncated.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::net::recv(&self.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(length)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// A second descriptor of the socket, for an event loop that wants to own what it polls. The loop knows UDP sockets
    /// only; it must do nothing with this one but poll it.
    ///
    /// # Errors
    /// The kernel's, when the process is out of descriptors.
    pub fn try_clone_for_polling(&self) -> io::Result<UdpSocket> {
        Ok(UdpSocket::from(self.fd.try_clone()?))
    }

    /// Sends one whole Ethernet frame. `ENETDOWN` while the interface is down.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let send = || rustix::net::send(&self.fd, frame, SendFlags::DONTWAIT);
        let sent = match send() {
            // A socket that was bound before the interface was up keeps that as an error for the next call, which is
            // not about this frame (`packet_do_bind` in `net/packet/af_packet.c`, `sock_alloc_send_pskb`).
            Err(rustix::io::Errno::NETDOWN) => send(),
            sent => sent,
        };
        sent?;
        Ok(())
    }
}

/// A socket that [`PacketSocket`] opened in another process, and passed on.
impl From<OwnedFd> for PacketSocket {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<PacketSocket> for OwnedFd {
    fn from(socket: PacketSocket) -> Self {
        socket.fd
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Protocol 0 receives nothing: without it, frames of other interfaces could arrive before the bind.
fn open() -> Result<OwnedFd, PacketError> {
    rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .map_err(|e| PacketError::Open(e.into()))
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Classic BPF (`include/uapi/linux/bpf_common.h`): IPv4, UDP, not a later fragment, destination port 68.
static UDP_TO_PORT_68: [libc::sock_filter; 10] = [
    instruction(0x28, 0, 0, 12),     // ldh [12]          the EtherType
    instruction(0x15, 0, 7, 0x0800), // jeq IPv4          else drop
    instruction(0x30, 0, 0, 23),     // ldb [14 + 9]      the IP protocol
    instruction(0x15, 0, 5, 17),     // jeq UDP           else drop
    instruction(0x28, 0, 0, 20),     // ldh [14 + 6]      flags and fragment offset
    instruction(0x45, 3, 0, 0x1fff), // jset offset       drop what is not the first fragment
    instruction(0xb1, 0, 0, 14),     // ldxb 4*([14]&0xf) the IP header's length
    instruction(0x48, 0, 0, 16),     // ldh [x + 14 + 2]  the UDP destination port
    instruction(0x15, 1, 0, 68),     // jeq 68            keep
    instruction(0x06, 0, 0, 0),      // ret 0             drop
];

fn attach(fd: BorrowedFd<'_>, program: &[libc::sock_filter]) -> io::Result<()> {
    let mut instructions = program.to_vec();
    // ret 65535: keep the whole frame. Appended here, so that the table above reads from top to bottom.
    instructions.push(instruction(0x06, 0, 0, 0xffff));
    let length = u16::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog {
        len: length,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: the value of SO_ATTACH_FILTER is one `sock_fprog`, whose pointer and length describe `instructions`,
    // which lives until after the call; the kernel copies the program.
    unsafe { socket_option::set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter) }
}

fn bind(fd: BorrowedFd<'_>, index: u32, ethertype: u16) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(|_| io::ErrorKind::InvalidInput)?,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>())
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `address` is an initialised `sockaddr_ll` of `size` bytes that outlives the call. Were `fd` not a
    // packet socket, the kernel would read `size` bytes of it and answer with an error.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the classic BPF instructions that the filter uses.
    fn keeps(frame: &[u8]) -> bool {
        let mut program = UDP_TO_PORT_68.to_vec();
        program.push(instruction(0x06, 0, 0, 0xffff));
        let half = |at: usize| {
            frame
                .get(at..at + 2)
                .map(|b| u32::from(u16::from_be_bytes([b[0], b[1]])))
        };
        let (mut pc, mut a, mut x) = (0usize, 0u32, 0usize);
        loop {
            let i = program[pc];
            pc += 1;
            let k = i.k as usize;
            let jump = |yes: bool| usize::from(if yes { i.jt } else { i.jf });
            match i.code {
                0x28 => match half(k) {
                    Some(v) => a = v,
                    None => return false,
                },
                0x48 => match half(x + k) {
                    Some(v) => a = v,
                    None => return false,
                },
                0x30 => match frame.get(k) {
                    Some(v) => a = u32::from(*v),
                    None => return false,
                },
                0xb1 => match frame.get(k) {
                    Some(v) => x = 4 * usize::from(v & 0xf),
                    None => return false,
                },
                0x15 => pc += jump(a == i.k),
                0x45 => pc += jump(a & i.k != 0),
                0x06 => return i.k != 0,
                other => panic!("instruction {other:#x} is not in the filter"),
            }
        }
    }

    fn frame(ethertype: u16, protocol: u8, offset: u16, port: u16, options: usize) -> Vec<u8> {
        let mut f = vec![0xff; 12];
        f.extend(ethertype.to_be_bytes());
        let mut ip = vec![0; 20 + options];
        ip[0] = 0x40 | u8::try_from(5 + options / 4).unwrap();
        ip[6..8].copy_from_slice(&offset.to_be_bytes());
        ip[9] = protocol;
        f.extend(ip);
        f.extend(67u16.to_be_bytes());
        f.extend(port.to_be_bytes());
        f.extend([0; 4]);
        f
    }

    #[test]
    fn the_filter_keeps_only_udp_to_the_dhcp_clients_port() {
        assert!(keeps(&frame(0x0800, 17, 0, 68, 0)));
        assert!(
            keeps(&frame(0x0800, 17, 0x4000, 68, 8)),
            "do-not-fragment and IP options change nothing"
        );
        assert!(!keeps(&frame(0x0800, 17, 0, 67, 0)));
        assert!(!keeps(&frame(0x0800, 6, 0, 68, 0)));
        assert!(!keeps(&frame(0x86dd, 17, 0, 68, 0)));
        assert!(
            !keeps(&frame(0x0800, 17, 3, 68, 0)),
            "a later fragment has no UDP header"
        );
        assert!(!keeps(&[0xff; 20]));
    }
}
