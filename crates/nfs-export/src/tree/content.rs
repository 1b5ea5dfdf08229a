//! Opens regular files for reading.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::tree::Tree;
use crate::tree::handle::{FileId, Handle};
use crate::tree::node::OpenFile;

impl Tree {
    /// The descriptor to read a regular file from.
    pub(crate) fn content<'a>(
        &self,
        handle: &Handle,
        file: &'a OpenFile,
    ) -> Result<BorrowedFd<'a>, Errno> {
        file.content(|| {
            // O_NONBLOCK in case it is not a regular file after all.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let part = self.part(file.shown().part);
            let files = &part.files;
            let kernel = match files.signer.verify(handle) {
                Ok(FileId::Kernel(handle)) => Some(handle),
                _ => None,
            };
            let opened = with_and_without_noatime(flags, |flags| match &kernel {
                Some(handle) => files.open_by_handle(handle, flags),
                None => reopen(file.reference(), flags),
            });
            match (opened, kernel) {
                // Landlock: a file that is opened by its handle may have no path, and so no folder that allows it.
                (Err(Errno::ACCESS), Some(handle)) => {
                    let stat = rustix::fs::fstat(file.reference())?;
                    let number = files.id_by_handle(&handle, &stat);
                    let named = part.names.find(files, number, &handle)?;
                    with_and_without_noatime(flags, |flags| reopen(named.as_fd(), flags))
                }
                (opened, _) => opened,
            }
        })
    }
}

/// Only a file's owner and root may leave its access time unchanged.
fn with_and_without_noatime(
    flags: OFlags,
    open: impl Fn(OFlags) -> Result<OwnedFd, Errno>,
) -> Result<OwnedFd, Errno> {
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        result => result,
    }
}

/// Opens an `O_PATH` descriptor's file for reading, through /proc.
fn reopen(file: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd, Errno> {
    let number = file.as_raw_fd();
    rustix::fs::open(format!("/proc/self/fd/{number}"), flags, Mode::empty())
}
