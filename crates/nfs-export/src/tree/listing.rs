//! The entries of a directory.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;

/// Calls `visit` with inode, type and name of each entry but `.` and `..` until it returns `false`.
pub(super) fn for_each_entry(
    directory: BorrowedFd<'_>,
    mut visit: impl FnMut(u64, FileType, &[u8]) -> bool,
) -> Result<(), Errno> {
    let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(directory, name),
            known => known,
        };
        if !visit(entry.ino(), kind, name) {
            break;
        }
    }
    Ok(())
}

/// The type of an entry, where the file system does not list it.
pub(crate) fn kind_of(directory: BorrowedFd<'_>, name: &[u8]) -> FileType {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |stat| {
            FileType::from_raw_mode(stat.st_mode)
        })
}
