//! Events of devices that appear: `NETLINK_KOBJECT_UEVENT`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, sockopt};

/// The multicast group of the kernel's own events (2 is udev's).
const KERNEL_GROUP: u32 = 1;
/// Room for the events of a thousand devices at once, in bytes; the kernel doubles it. The default loses events on large
/// servers.
const RECEIVE_BUFFER: usize = 1 << 20;

/// An event of a device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Uevent<'a> {
    /// `add`, `remove`, `change`, …
    pub(crate) action: &'a str,
    /// The path below `/sys`.
    pub(crate) path: &'a str,
    /// The string that the aliases of drivers are matched against, if the device has one.
    pub(crate) modalias: Option<&'a str>,
}

impl<'a> Uevent<'a> {
    /// Parses a datagram: `add@/devices/…`, then `KEY=value`, each ended by a zero byte.
    pub(crate) fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut fields = datagram
            .split(|b| *b == 0)
            .filter_map(|f| std::str::from_utf8(f).ok());
        let (action, path) = fields.next()?.split_once('@')?;
        let modalias = fields.find_map(|field| field.strip_prefix("MODALIAS="));
        Some(Uevent {
            action,
            path,
            modalias,
        })
    }
}

/// The socket that the kernel announces devices on.
#[derive(Debug)]
pub(crate) struct UeventSocket {
    fd: OwnedFd,
}

impl UeventSocket {
    /// Opens it. Devices that appeared earlier have to be found by a walk through `/sys`.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(KOBJECT_UEVENT),
        )?;
        let _ = sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER);
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(UeventSocket { fd })
    }

    /// Receives the next datagram into `buffer`. `ENOBUFS` means that events were lost, and that `/sys` has to be walked
    /// again.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(buffer.get(..length)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

impl AsFd for UeventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_parsed_with_its_modalias() {
        let datagram = b"add@/devices/pci0000:00/0000:00:03.0/virtio0\0ACTION=add\0\
            DEVPATH=/devices/pci0000:00/0000:00:03.0/virtio0\0SUBSYSTEM=virtio\0\
            MODALIAS=virtio:d00000001v00001AF4\0SEQNUM=1193\0";
        let uevent = Uevent::read(datagram).unwrap();
        assert_eq!(uevent.action, "add");
        assert_eq!(uevent.path, "/devices/pci0000:00/0000:00:03.0/virtio0");
        assert_eq!(uevent.modalias, Some("virtio:d00000001v00001AF4"));
    }

    #[test]
    fn other_datagrams_are_not_events() {
        assert_eq!(Uevent::read(b""), None);
        assert_eq!(Uevent::read(b"libudev\0\xfe\xed\xca\xfe"), None);
        assert_eq!(Uevent::read(b"remove@/x\0").unwrap().modalias, None);
    }
}
