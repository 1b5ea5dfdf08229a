//! A tap device as a file of Ethernet frames (`Documentation/networking/tuntap.rst`).
//!
//! For the tests, which put a switch of their own between a machine and a bridge: the kernel that they run on may have
//! no VLANs, no bonds and no way to delay frames.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Opens the tap `name` of the calling thread's network namespace, creating it if necessary. Each read receives one
/// frame, each write sends one; neither has a header, and the kernel has computed every checksum.
///
/// # Errors
/// `EINVAL` for a name that no interface can have, `EBUSY` when it is open elsewhere, `EPERM` without
/// `CAP_NET_ADMIN`.
pub fn open(name: &str) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let flags = libc::c_short::try_from(libc::IFF_TAP | libc::IFF_NO_PI)
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags },
    };
    // One byte is reserved for the terminating NUL.
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is, initialised but for bytes of the union
    // that the kernel does not look at; it keeps no pointer to it.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result == 0 {
        Ok(file)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_interface_can_have_is_refused() {
        // Either the device file does not exist here, or the name is checked.
        for name in ["", "a-name-of-16-byt", "a name that is far too long"] {
            assert!(open(name).is_err(), "{name}");
        }
    }
}
