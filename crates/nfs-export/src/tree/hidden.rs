//! What a tree does not show ([`HiddenPaths`]), decided for the open files that NFS works with.
//!
//! A name is looked up in a directory whose path the kernel knows, so names are decided by path, as they are now. A
//! handle of a file leads to an inode without a path. Therefore the inodes of the hidden files are kept, with the number
//! of hidden names of each: an inode that has another name, outside of what is hidden, is not hidden.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::hidden_paths::HiddenPaths;
use crate::tree::listing::for_each_entry;
use crate::tree::node::is_directory;
use crate::tree::part::Part;

/// The shortest time between two searches for hidden files.
const SEARCH_INTERVAL: Duration = Duration::from_secs(30);

/// A search that took long is repeated after so many times its duration.
const SEARCH_SHARE: u32 = 100;

/// The most directories on the way to a hidden file.
const MAX_DEPTH: usize = 64;

/// The hidden files of a tree.
#[derive(Debug)]
pub(super) struct Hidden {
    paths: HiddenPaths,
    found: Mutex<Found>,
}

#[derive(Debug)]
struct Found {
    /// How many hidden names a file has, by its file system's position and its number. Directories are not in it: they
    /// are found by path.
    names: HashMap<(usize, u64), u64>,
    searched: Instant,
    took: Duration,
    searching: bool,
}

impl Hidden {
    /// Looks for the hidden files; `None` if nothing is hidden.
    pub(super) fn find(paths: &HiddenPaths, parts: &[Part]) -> Result<Option<Self>, Errno> {
        if paths.is_empty() {
            return Ok(None);
        }
        for part in parts {
            // Without /proc no path can be told.
            path_of(part.files.root.directory())?;
        }
        let begun = Instant::now();
        let names = search(paths, parts);
        Ok(Some(Self {
            paths: paths.clone(),
            found: Mutex::new(Found {
                names,
                searched: Instant::now(),
                took: begun.elapsed(),
                searching: false,
            }),
        }))
    }

    /// Whether an entry of a directory is hidden.
    pub(super) fn hides_entry(&self, part: &Part, directory: BorrowedFd<'_>, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        if !self.paths.may_hide_name(&name) {
            return false;
        }
        // Without a path nothing is known to be harmless.
        text_below(part, directory).is_none_or(|path| self.paths.hide_entry(&path, &name))
    }

    /// Whether a file that was opened by its handle is hidden. `stat` is as clients see it.
    pub(super) fn hides(
        &self,
        (position, part): (usize, &Part),
        file: BorrowedFd<'_>,
        stat: &Stat,
    ) -> bool {
        if is_directory(stat) {
            return text_below(part, file).is_none_or(|path| self.paths.hide(&path));
        }
        let key = (position, stat.st_ino);
        let names = self.lock().names.get(&key).copied().unwrap_or(0);
        #[allow(clippy::useless_conversion, reason = "32 bits on some architectures")]
        let links = u64::from(stat.st_nlink);
        names > 0 && names >= links
    }

    /// Looks for hidden files again if it is time to; returns whether others are hidden now.
    pub(super) fn refresh(&self, parts: &[Part]) -> bool {
        let mut found = self.lock();
        let interval = SEARCH_INTERVAL.max(found.took.saturating_mul(SEARCH_SHARE));
        if found.searching || found.searched.elapsed() < interval {
            return false;
        }
        found.searching = true;
        drop(found);
        let begun = Instant::now();
        let names = search(&self.paths, parts);
        let mut found = self.lock();
        let changed = names != found.names;
        *found = Found {
            names,
            searched: Instant::now(),
            took: begun.elapsed(),
            searching: false,
        };
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path of an open directory or of a file that has been found by name, as the kernel knows it now.
fn path_of(file: BorrowedFd<'_>) -> Result<CString, Errno> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::readlink(link, Vec::new())
}

/// The path below the root of a directory, or of a file that has been found by name, without a slash at its beginning.
pub(super) fn path_below(part: &Part, file: BorrowedFd<'_>) -> Option<Vec<u8>> {
    // In a private copy of the mount, the root is `/`.
    let above = path_of(part.files.root.directory()).ok()?;
    let path = path_of(file).ok()?;
    let above = above
        .to_bytes()
        .strip_suffix(b"/")
        .unwrap_or(above.to_bytes());
    let below = match path.to_bytes().strip_prefix(above)? {
        [] => &[],
        [b'/', below @ ..] => below,
        _ => return None,
    };
    Some(match (part.path.as_bytes(), below) {
        ([], path) | (path, []) => path.to_vec(),
        (above, below) => [above, b"/", below].concat(),
    })
}

/// The same as text, which is what patterns are about.
fn text_below(part: &Part, file: BorrowedFd<'_>) -> Option<String> {
    path_below(part, file).map(|path| String::from_utf8_lossy(&path).into_owned())
}

fn joined(above: &str, below: &str) -> String {
    match (above, below) {
        ("", path) | (path, "") => path.to_owned(),
        (above, below) => format!("{above}/{below}"),
    }
}

/// The hidden files, with the number of hidden names of each. What cannot be read is left out: clients cannot have found
/// it by name either.
fn search(paths: &HiddenPaths, parts: &[Part]) -> HashMap<(usize, u64), u64> {
    let mut names = HashMap::new();
    for (position, part) in parts.iter().enumerate() {
        search_part(paths, part, |file| {
            *names.entry((position, file)).or_default() += 1;
        });
    }
    names
}

fn search_part(paths: &HiddenPaths, part: &Part, mut found: impl FnMut(u64)) {
    let files = &part.files;
    let hidden = !part.path.is_empty() && paths.hide(&part.path);
    // Directories: their path below the root of the file system, their number, and whether they are hidden.
    let mut pending = vec![(String::new(), files.root_id(), hidden)];
    while let Some((path, number, hidden)) = pending.pop() {
        let Ok(directory) = files.root.open_below(path.as_bytes()) else {
            continue;
        };
        let numbers = files.entry_numbers(&directory, number);
        let here = joined(&part.path, &path);
        let _ = for_each_entry(directory.as_fd(), |inode, kind, name| {
            let number = || numbers.of(inode, kind, name).id;
            let Ok(name) = std::str::from_utf8(name) else {
                return true;
            };
            let hidden = hidden || paths.hide_entry(&here, name);
            if kind != FileType::Directory {
                if hidden {
                    found(number());
                }
                return true;
            }
            let below = joined(&path, name);
            let below_root = joined(&here, name);
            if (hidden || paths.may_hide_below(&below_root))
                && below.split('/').count() <= MAX_DEPTH
            {
                pending.push((below, number(), hidden));
            }
            true
        });
    }
}
