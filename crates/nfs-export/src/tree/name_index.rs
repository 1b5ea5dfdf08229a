//! Finds the name of a file that is known by its kernel handle.
//!
//! `open_by_handle_at` gives a file without a path while the kernel has none in its cache: after a reboot, for every file
//! that running machines still read. Landlock allows a file for a folder that it is in, and refuses those (but not
//! directories, which the kernel always connects to the root). The first one makes the server walk the root once and
//! note which file is in which directory; what moves later costs another walk. Other connections are put off meanwhile.
//!
//! overlayfs opens a directory by its handle in a layer, where Landlock allows nothing: for it, directories are noted too.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use netroot_sys::handle as kernel;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::tree::file_system::FileSystem;
use crate::tree::listing::for_each_entry;
use crate::tree::places::{MAX_PATH, WALK_INTERVAL};
use crate::tree::root_dir::open_entry;

/// The most files in the index, 16 bytes each; a Debian desktop has 300,000. Any other costs a walk of its own.
const MAX_FILES: usize = 1_000_000;
/// The most directories, some 50 bytes each.
const MAX_DIRECTORIES: usize = 200_000;

#[derive(Debug, Default)]
pub(super) struct NameIndex {
    locations: Mutex<Arc<Locations>>,
    /// Held while walking.
    last_walk: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Locations {
    /// The numbers of directories and their paths below the root.
    directories: Vec<(u64, Box<[u8]>)>,
    /// The number of each regular file, and each directory of an overlay, with the position of its directory, in order.
    files: Vec<(u64, u32)>,
}

impl NameIndex {
    /// Opens the file with this number and handle by one of its names, as `O_PATH`.
    ///
    /// `ESTALE` when it has none below the root; `EAGAIN` when that cannot be known yet.
    pub(super) fn find(
        &self,
        files: &FileSystem,
        number: u64,
        handle: &kernel::KernelHandle,
    ) -> Result<OwnedFd, Errno> {
        let known = Arc::clone(&self.locations());
        if let Some(found) = known.find(files, number, handle) {
            return Ok(found);
        }
        let Ok(mut last_walk) = self.last_walk.try_lock() else {
            return Err(Errno::AGAIN);
        };
        if last_walk.is_some_and(|last| last.elapsed() < WALK_INTERVAL) {
            return Err(Errno::AGAIN);
        }
        let (walked, found) = Locations::walk(files, number, handle);
        *self.locations() = Arc::new(walked);
        *last_walk = Some(Instant::now());
        found.ok_or(Errno::STALE)
    }

    fn locations(&self) -> MutexGuard<'_, Arc<Locations>> {
        self.locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locations {
    fn find(
        &self,
        files: &FileSystem,
        number: u64,
        handle: &kernel::KernelHandle,
    ) -> Option<OwnedFd> {
        let start = self.files.partition_point(|(file, _)| *file < number);
        let same = self.files.get(start..)?.iter();
        // A file with several names may have lost one of them.
        same.take_while(|(file, _)| *file == number)
            .find_map(|(_, directory)| {
                let (own, path) = self.directories.get(usize::try_from(*directory).ok()?)?;
                let directory = files.root.open_below(path).ok()?;
                let numbers = files.entry_numbers(&directory, *own);
                let mut found = None;
                for_each_entry(directory.as_fd(), |inode, kind, name| {
                    if numbers.of(inode, kind, name).id == number {
                        found = opened(&directory, name, handle);
                    }
                    found.is_none()
                })
                .ok()?;
                found
            })
    }

    /// Walks the root, and opens the file when it is found.
    fn walk(
        files: &FileSystem,
        number: u64,
        handle: &kernel::KernelHandle,
    ) -> (Self, Option<OwnedFd>) {
        let mut walked = Self {
            directories: vec![(files.root_id(), Box::default())],
            files: Vec::new(),
        };
        let mut found = None;
        let mut next = 0;
        while let Some((own, path)) = walked.directories.get(next).cloned() {
            let position = u32::try_from(next).unwrap_or(u32::MAX);
            next += 1;
            let Ok(directory) = files.root.open_below(&path) else {
                continue;
            };
            let numbers = files.entry_numbers(&directory, own);
            // Errors are ignored: what follows in this directory is not found, everything else is.
            let _ = for_each_entry(directory.as_fd(), |inode, kind, name| {
                let is_file = kind == FileType::RegularFile;
                let is_directory = kind == FileType::Directory;
                let below = path.len() + name.len();
                if !is_file && (!is_directory || below >= MAX_PATH) {
                    return true;
                }
                let entry = numbers.of(inode, kind, name).id;
                if entry == number && found.is_none() {
                    found = opened(&directory, name, handle);
                }
                if (is_file || files.is_layered()) && walked.files.len() < MAX_FILES {
                    walked.files.push((entry, position));
                }
                if is_directory && walked.directories.len() < MAX_DIRECTORIES {
                    let below = match &*path {
                        [] => name.into(),
                        path => [path, name].join(&b'/').into_boxed_slice(),
                    };
                    walked.directories.push((entry, below));
                }
                true
            });
        }
        walked.files.sort_unstable();
        walked.files.shrink_to_fit();
        (walked, found)
    }
}

/// Opens an entry if it is the file with this handle.
fn opened(directory: &OwnedFd, name: &[u8], handle: &kernel::KernelHandle) -> Option<OwnedFd> {
    let file = open_entry(directory.as_fd(), name).ok()?;
    let (its_own, _) = kernel::of(&file).ok()?;
    (its_own == *handle).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_found_by_any_of_its_names_until_it_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let files = FileSystem::for_test(folder.path());
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let file = folder.path().join("a/b/file");
        fs::write(&file, "text").unwrap();
        fs::hard_link(&file, folder.path().join("a/link")).unwrap();
        let open = fs::File::open(&file).unwrap();
        // A container's file system may have no handles.
        let Ok((handle, _)) = kernel::of(&open) else {
            return;
        };
        let inode = rustix::fs::fstat(&open).unwrap().st_ino;
        let names = NameIndex::default();
        names.find(&files, inode, &handle).unwrap();
        assert_eq!(names.locations().files.len(), 2);
        fs::remove_file(&file).unwrap();
        names.find(&files, inode, &handle).unwrap();
        fs::remove_file(folder.path().join("a/link")).unwrap();
        let again = names.find(&files, inode, &handle).unwrap_err();
        assert_eq!(again, Errno::AGAIN, "the last walk was just now");
        *names.last_walk.lock().unwrap() = None;
        let gone = names.find(&files, inode, &handle).unwrap_err();
        assert_eq!(gone, Errno::STALE);
    }
}
