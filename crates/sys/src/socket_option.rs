//! `setsockopt(2)` for the options that neither rustix nor nix offers.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sets a socket option.
///
/// # Errors
/// The kernel's: `ENOPROTOOPT` for an option that it does not know, `ENOTSOCK`, `EINVAL` and others.
///
/// # Safety
/// `T` must be the type that the kernel expects for this option, without padding that is not initialised. Pointers in
/// `value` must point to what the option says, for the time of the call.
pub(crate) unsafe fn set<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let size =
        libc::socklen_t::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads `size` bytes, which are those of `value`, and follows pointers in it only as the
    // caller has vouched for. It keeps neither.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
