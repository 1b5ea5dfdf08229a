//! Configuration files of the mounted root: read, and in the writable layer replaced.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};

use crate::console::debug;
use crate::root::in_root;

/// The longest file that is read, in bytes.
const MAX_SIZE: u64 = 256 << 10;
/// What the new content is written to before it has its name.
const TEMPORARY: &str = ".netroot-changed";

/// The content of the file at a path in the root, and its permissions. `None` if there is none, or if it is longer than
/// any that can be written back.
pub(crate) fn read(root: BorrowedFd<'_>, path: &str) -> Option<(Vec<u8>, Mode)> {
    let file = in_root::open(root, path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode & 0o777);
    let mut text = Vec::new();
    if let Err(e) = File::from(file).take(MAX_SIZE).read_to_end(&mut text) {
        debug!("{path}: {e}");
        return None;
    }
    // What is cut off cannot be written back.
    (u64::try_from(text.len()).ok()? < MAX_SIZE).then_some((text, mode))
}

/// Replaces the file at a path in the root, or a link of that name, at once.
///
/// # Errors
/// The file system's.
pub(crate) fn replace(
    root: BorrowedFd<'_>,
    path: &str,
    text: &[u8],
    mode: Mode,
) -> std::io::Result<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = in_root::open(
        root,
        &format!("/{folder}"),
        OFlags::RDONLY | OFlags::DIRECTORY,
    )?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, TEMPORARY, flags, Mode::from_raw_mode(0o600))?;
    let written = File::from(file.try_clone()?)
        .write_all(text)
        .and_then(|()| Ok(rustix::fs::fchmod(&file, mode)?))
        .and_then(|()| Ok(rustix::fs::renameat(&folder, TEMPORARY, &folder, name)?));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(folder.as_fd(), TEMPORARY, rustix::fs::AtFlags::empty());
    }
    written
}
