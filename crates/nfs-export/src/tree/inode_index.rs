//! Finds files by inode number where kernel handles cannot be used: without `CAP_DAC_READ_SEARCH`, or on a file system
//! without handles.
//!
//! A handle then contains an inode number, a birth time, and for files with one name the inode number of their
//! directory. The index knows where directories (and files with several names) were last seen. What it does not know,
//! because the server was restarted or the file was moved, it finds by walking the whole root once. So handles survive
//! a restart here too, at the cost of that walk, as long as the file system keeps its inode numbers.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, RawDir, Stat, StatxFlags};
use rustix::io::Errno;

use crate::tree::handle::InodeId;
use crate::tree::root_dir::{RootDir, open_directory, open_entry};

/// The most locations in the index, about 100 bytes each; a Debian root has some ten thousand directories.
const MAX_LOCATIONS: usize = 200_000;

/// The shortest time between two walks: each handle of a deleted file causes one.
pub(super) const WALK_INTERVAL: Duration = Duration::from_secs(10);

/// `PATH_MAX` without its NUL: deeper directories cannot be opened by path.
pub(super) const MAX_PATH: usize = 4095;

#[derive(Debug, Default)]
pub(super) struct InodeIndex {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    locations: HashMap<u64, Location>,
    last_walk: Option<Instant>,
}

#[derive(Debug)]
struct Location {
    parent: u64,
    name: Box<[u8]>,
}

/// The birth time in nanoseconds, which distinguishes successive uses of an inode number; 0 if unknown.
pub(super) fn generation(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let statx = rustix::fs::statx(file, c"", flags, StatxFlags::BTIME)?;
    if statx.stx_mask & StatxFlags::BTIME.bits() == 0 {
        return Ok(0);
    }
    let seconds = u64::from_ne_bytes(statx.stx_btime.tv_sec.to_ne_bytes());
    Ok(seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(statx.stx_btime.tv_nsec)))
}

impl InodeIndex {
    /// Identifies a file that was found as `name` in the directory with the inode number `parent`.
    pub(super) fn identify(
        &self,
        file: BorrowedFd<'_>,
        stat: &Stat,
        parent: u64,
        name: &[u8],
    ) -> Result<InodeId, Errno> {
        let one_name =
            FileType::from_raw_mode(stat.st_mode) != FileType::Directory && stat.st_nlink <= 1;
        if !one_name {
            self.note(stat.st_ino, parent, name);
        }
        Ok(InodeId {
            inode: stat.st_ino,
            generation: generation(file)?,
            parent: if one_name { parent } else { 0 },
        })
    }

    fn note(&self, inode: u64, parent: u64, name: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.note(inode, parent, name);
    }

    /// Opens the file again.
    ///
    /// `ESTALE` when it is deleted; `EAGAIN` when it is not where it was last seen and the last walk was too recent.
    pub(super) fn open(&self, root: &RootDir, id: &InodeId) -> Result<OwnedFd, Errno> {
        if id.inode == root.stat().st_ino {
            return verified(rustix::io::fcntl_dupfd_cloexec(root.directory(), 0)?, id);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(found) = state.find(root, id) {
            return Ok(found);
        }
        if state
            .last_walk
            .is_some_and(|last| last.elapsed() < WALK_INTERVAL)
        {
            return Err(Errno::AGAIN);
        }
        let found = state.walk(root, id);
        state.last_walk = Some(Instant::now());
        found
    }
}

impl State {
    fn note(&mut self, inode: u64, parent: u64, name: &[u8]) {
        if self.locations.len() < MAX_LOCATIONS || self.locations.contains_key(&inode) {
            let name = name.into();
            self.locations.insert(inode, Location { parent, name });
        }
    }

    fn find(&self, root: &RootDir, id: &InodeId) -> Result<OwnedFd, Errno> {
        if id.parent == 0 {
            let path = self.path(root, id.inode)?;
            return verified(open_entry(root.directory(), &path)?, id);
        }
        let parent = if id.parent == root.stat().st_ino {
            open_directory(root.directory())?
        } else {
            let path = self.path(root, id.parent)?;
            open_directory(open_entry(root.directory(), &path)?.as_fd())?
        };
        let mut found = Err(Errno::STALE);
        for_each_entry(parent.as_fd(), |inode, _, name| {
            if inode == id.inode {
                found = open_entry(parent.as_fd(), name).and_then(|file| verified(file, id));
            }
            found.is_err()
        })?;
        found
    }

    /// The path of a directory or a hard link below the root, as last seen.
    fn path(&self, root: &RootDir, inode: u64) -> Result<Vec<u8>, Errno> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut length = 0;
        let mut at = inode;
        while at != root.stat().st_ino {
            let location = self.locations.get(&at).ok_or(Errno::STALE)?;
            length += location.name.len() + 1;
            // Also ends a cycle, which directories moved into one another can leave in the index.
            if length > MAX_PATH {
                return Err(Errno::STALE);
            }
            names.push(&location.name);
            at = location.parent;
        }
        names.reverse();
        Ok(names.join(&b'/'))
    }

    /// Rebuilds the index, and opens the file when it is found.
    fn walk(&mut self, root: &RootDir, id: &InodeId) -> Result<OwnedFd, Errno> {
        let mut found = Err(Errno::STALE);
        self.locations.clear();
        let mut pending: Vec<(u64, Vec<u8>)> = vec![(root.stat().st_ino, Vec::new())];
        while let Some((inode, path)) = pending.pop() {
            let Ok(directory) = open_on_walk(root, &path) else {
                continue;
            };
            // Errors are ignored: what follows in this directory is not found, everything else is.
            let _ = for_each_entry(directory.as_fd(), |entry, kind, name| {
                if entry == id.inode && found.is_err() {
                    found = open_entry(directory.as_fd(), name).and_then(|file| verified(file, id));
                    if found.is_ok() {
                        self.note(entry, inode, name);
                    }
                }
                if kind == FileType::Directory && path.len() + name.len() < MAX_PATH {
                    self.note(entry, inode, name);
                    let below = if path.is_empty() {
                        name.to_vec()
                    } else {
                        [&path, name].join(&b'/')
                    };
                    pending.push((entry, below));
                }
                true
            });
        }
        found
    }
}

pub(super) fn open_on_walk(root: &RootDir, path: &[u8]) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return open_directory(root.directory());
    }
    let directory = open_entry(root.directory(), path)?;
    if rustix::fs::fstat(&directory)?.st_dev != root.stat().st_dev {
        return Err(Errno::XDEV);
    }
    open_directory(directory.as_fd())
}

/// Checks that the opened file is the identified one.
fn verified(file: OwnedFd, id: &InodeId) -> Result<OwnedFd, Errno> {
    let stat = rustix::fs::fstat(&file)?;
    if stat.st_ino == id.inode && generation(file.as_fd())? == id.generation {
        Ok(file)
    } else {
        Err(Errno::STALE)
    }
}

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
            FileType::Unknown => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |stat| {
                    FileType::from_raw_mode(stat.st_mode)
                }),
            known => known,
        };
        if !visit(entry.ino(), kind, name) {
            break;
        }
    }
    Ok(())
}
