//! One link up and one address, by rtnetlink(7). Shares no code with the init, which is what it is compared with.

use std::io;
use std::net::Ipv4Addr;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE`.
const FLAGS: u16 = 0x405;

/// Sets a link up.
pub(crate) fn set_up(index: u32) -> io::Result<()> {
    // struct ifinfomsg: family, type, index, flags, which flags change.
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    ask(RTM_NEWLINK, &body)
}

/// Gives a link its address.
pub(crate) fn give_address(index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    // struct ifaddrmsg: family, length of the prefix, flags, scope, index.
    let mut body = vec![AF_INET, prefix, 0, 0];
    body.extend(index.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address.octets());
    }
    ask(RTM_NEWADDR, &body)
}

/// One request, and the kernel's answer to it.
fn ask(kind: u16, body: &[u8]) -> io::Result<()> {
    let (family, datagrams) = (AddressFamily::NETLINK, SocketType::DGRAM);
    // Protocol 0 is NETLINK_ROUTE.
    let socket = rustix::net::socket_with(family, datagrams, SocketFlags::CLOEXEC, None)?;
    // struct nlmsghdr: length, type, flags, sequence, port.
    let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut request = Vec::from(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(FLAGS.to_ne_bytes());
    request.extend([0; 8]);
    request.extend(body);
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &kernel)?;
    let mut answer = [0; 256];
    rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // After the header: zero, or a negative errno.
    let error = answer.get(16..20).and_then(|b| b.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(-number)),
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}
