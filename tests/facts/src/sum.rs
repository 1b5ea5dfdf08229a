//! One number for a whole tree: names, kinds, targets of links and contents. Whoever reads the same has the same.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// At the top these are mounts of a running system.
const MOUNTS: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// How many files there are in a tree, and their number.
///
/// # Errors
/// The path that could not be read, and why.
pub(crate) fn of_tree(root: &Path) -> Result<(u64, u64), (PathBuf, io::Error)> {
    let mut sum = Sum {
        files: 0,
        hash: 0xcbf2_9ce4_8422_2325,
    };
    sum.directory(root, true)?;
    Ok((sum.files, sum.hash))
}

struct Sum {
    files: u64,
    hash: u64,
}

impl Sum {
    fn directory(&mut self, at: &Path, is_top: bool) -> Result<(), (PathBuf, io::Error)> {
        let failed = |error| (at.to_owned(), error);
        let entries = fs::read_dir(at).map_err(failed)?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            self.files += 1;
            self.add(name.as_bytes());
            if is_top && MOUNTS.iter().any(|mount| name == *mount) {
                continue;
            }
            let failed = |error| (path.clone(), error);
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.directory(&path, false)?;
            } else if kind.is_symlink() {
                self.add(fs::read_link(&path).map_err(failed)?.as_os_str().as_bytes());
            } else if kind.is_file() {
                self.contents(&path).map_err(failed)?;
            }
            self.add(b"/");
        }
        Ok(())
    }

    fn contents(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            // Whole, but for the last: where a read ends makes no difference.
            let mut filled = 0;
            while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read(rest)? {
                    0 => break,
                    read => filled += read,
                }
            }
            self.add(buffer.get(..filled).unwrap_or_default());
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// FNV-1a, eight bytes at a time: an emulated machine reads faster than it counts single bytes.
    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.step(u64::from(*byte));
        }
        self.step(bytes.len() as u64);
    }

    fn step(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }
}
