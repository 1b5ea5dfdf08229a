//! File handles, which name a file independently of its path and survive a restart; and the read-only mount that they
//! are opened in.
//!
//! The kernel makes a handle from the inode number and its generation (`name_to_handle_at`, since Linux 2.6.39),
//! so it goes stale when the inode number is reused. Opening one needs `CAP_DAC_READ_SEARCH`.

use std::ffi::CStr;
use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `MAX_HANDLE_SZ` (`include/linux/exportfs.h`): no file system makes a longer handle.
pub const LONGEST: usize = 128;

/// A file's identity within its file system, as the kernel gives and takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelHandle {
    kind: i32,
    length: usize,
    bytes: [u8; LONGEST],
}

impl KernelHandle {
    /// Rebuilds a handle from the bytes that [`KernelHandle::bytes`] returned; `None` for more than [`LONGEST`].
    #[must_use]
    pub fn new(kind: i32, bytes: &[u8]) -> Option<Self> {
        let mut handle = Self {
            kind,
            length: bytes.len(),
            bytes: [0; LONGEST],
        };
        handle.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(handle)
    }

    /// The file system's own code for the layout of the bytes (`enum fid_type`).
    #[must_use]
    pub fn kind(&self) -> i32 {
        self.kind
    }

    /// The bytes, opaque to all but the file system.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The kernel's `struct file_handle` with room for the longest handle.
#[repr(C)]
struct Raw {
    handle_bytes: libc::c_uint,
    handle_type: libc::c_int,
    f_handle: [u8; LONGEST],
}

/// The handle of the file that `fd` refers to (`O_PATH` is enough) and the id of the mount it was opened in.
///
/// # Errors
/// `EOPNOTSUPP` when the file system has no handles (`/proc`, overlayfs without `nfs_export`, most FUSE ones).
pub fn of(fd: impl AsFd) -> io::Result<(KernelHandle, i32)> {
    of_entry(fd, c"")
}

/// The handle of `name` in the directory `directory`, or of the directory itself for an empty name, and the id of the
/// mount that it is in, which differs from the directory's at a mount point. Symbolic links are not followed.
///
/// # Errors
/// Those of [`of`], and `ENOENT`, `EACCES`, `ENOTDIR` and the like for the name.
pub fn of_entry(directory: impl AsFd, name: &CStr) -> io::Result<(KernelHandle, i32)> {
    let mut raw = Raw {
        handle_bytes: 0,
        handle_type: 0,
        f_handle: [0; LONGEST],
    };
    raw.handle_bytes = libc::c_uint::try_from(LONGEST).unwrap_or(libc::c_uint::MAX);
    let mut mount_id = MaybeUninit::<libc::c_int>::zeroed();
    // SAFETY: the path is NUL-terminated; `Raw` has the layout of `struct file_handle` followed by as many bytes
    // as `handle_bytes` announces, and the kernel writes no more than that; `mount_id` is a writable int. All
    // three outlive the call, and the descriptor is borrowed for it.
    let result = unsafe {
        libc::name_to_handle_at(
            directory.as_fd().as_raw_fd(),
            name.as_ptr(),
            (&raw mut raw).cast(),
            mount_id.as_mut_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeroed before the call, and every bit pattern is an int.
    let mount_id = unsafe { mount_id.assume_init() };
    let length = usize::try_from(raw.handle_bytes).unwrap_or(usize::MAX);
    let bytes = raw
        .f_handle
        .get(..length)
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    KernelHandle::new(raw.handle_type, bytes)
        .map(|handle| (handle, mount_id))
        .ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

/// Opens the file that `handle` names, in the mount that `mount` is in. `mount` must not be an `O_PATH` descriptor (the
/// kernel answers `EBADF`); `flags` are those of `open(2)`.
///
/// # Errors
/// `ESTALE` when the file is gone, `EPERM` without `CAP_DAC_READ_SEARCH`, and those of `open(2)`.
pub fn open(
    mount: impl AsFd,
    handle: &KernelHandle,
    flags: rustix::fs::OFlags,
) -> io::Result<OwnedFd> {
    let mut raw = Raw {
        handle_bytes: libc::c_uint::try_from(handle.length).unwrap_or(0),
        handle_type: handle.kind,
        f_handle: handle.bytes,
    };
    let flags = libc::c_int::from_ne_bytes(flags.bits().to_ne_bytes());
    // SAFETY: `Raw` has the layout of `struct file_handle`, `handle_bytes` is at most the array's length, and the
    // kernel only reads it, during the call. A handle of nonsense bytes is an error, not undefined behaviour.
    let fd = unsafe {
        libc::open_by_handle_at(
            mount.as_fd().as_raw_fd(),
            (&raw mut raw).cast(),
            flags | libc::O_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `struct mount_attr` (`include/uapi/linux/mount.h`), 32 bytes since Linux 5.12.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

const _: () = assert!(offset_of!(Raw, f_handle) == 8 && size_of::<MountAttributes>() == 32);

const MOUNT_ATTR_RDONLY: u64 = 0x01;
const MOUNT_ATTR_NODEV: u64 = 0x04;
const MOUNT_ATTR_NOEXEC: u64 = 0x08;
const MOUNT_ATTR_NOATIME: u64 = 0x10;
const MOUNT_ATTR_ATIME_MASK: u64 = 0x70;

/// Makes the mount that `mount` is in read-only, `nodev`, `noexec` and `noatime`. For a detached copy of a mount
/// (`open_tree` with `OPEN_TREE_CLONE`): the kernel then refuses every write that a bug here could cause, and the
/// original mount is not affected.
///
/// # Errors
/// `ENOSYS` before Linux 5.12, `EPERM` without `CAP_SYS_ADMIN`.
pub fn make_mount_read_only(mount: impl AsFd) -> io::Result<()> {
    let attributes = MountAttributes {
        set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
        // The kernel accepts a new access-time policy only if the whole mask is cleared.
        clear: MOUNT_ATTR_ATIME_MASK,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the path is NUL-terminated, the structure is as long as announced, and the kernel only reads both,
    // during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_file_system_without_handles_is_reported() {
        let error = of(File::open("/proc/self/stat").unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
    }

    #[test]
    fn an_entry_has_the_handle_of_the_file_it_names() {
        // The source tree is on a file system with handles wherever this is developed; a container's may have none.
        let Ok((by_descriptor, mount)) = of(File::open("Cargo.toml").unwrap()) else {
            let error = of(File::open("Cargo.toml").unwrap()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
            return;
        };
        let by_name = of_entry(File::open(".").unwrap(), c"Cargo.toml").unwrap();
        assert_eq!(by_name, (by_descriptor, mount));
        let absent = of_entry(File::open(".").unwrap(), c"absent").unwrap_err();
        assert_eq!(absent.raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn a_handle_longer_than_the_kernels_is_refused() {
        assert!(KernelHandle::new(1, &[0; LONGEST + 1]).is_none());
        assert_eq!(
            KernelHandle::new(1, &[7; LONGEST]).unwrap().bytes(),
            [7; LONGEST]
        );
    }

    #[test]
    fn a_handle_of_random_bytes_is_an_error() {
        let here = File::open(".").unwrap();
        let nonsense = KernelHandle::new(1, &[0xff; 8]).unwrap();
        open(here, &nonsense, rustix::fs::OFlags::PATH).unwrap_err();
    }
}
