//! The kernel's own file handles, opened in the root's mount.

use std::os::fd::OwnedFd;

use netroot_sys::handle as kernel;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::tree::handle::MAX_KERNEL_HANDLE;
use crate::tree::root_dir::RootDir;

pub(super) fn open(
    root: &RootDir,
    handle: &kernel::KernelHandle,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    kernel::open(root.directory(), handle, flags)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The root's own kernel handle, if the file system makes handles, they fit, and we may open them.
pub(super) fn of_root(root: &RootDir) -> Option<kernel::KernelHandle> {
    let (handle, _) = kernel::of(root.directory()).ok()?;
    let fits = handle.bytes().len() <= MAX_KERNEL_HANDLE && u8::try_from(handle.kind()).is_ok();
    let opens = open(root, &handle, OFlags::PATH).is_ok();
    (fits && opens).then_some(handle)
}
