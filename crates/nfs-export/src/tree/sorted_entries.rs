//! The entries of a directory in an order that lasts, where the file system's own does not.
//!
//! A listing in several replies goes on where the last one ended, and each call opens the directory anew. fuse-overlayfs
//! lists in the order of a hash table that it makes again when the kernel has forgotten inodes, and overlayfs shifts what
//! follows a new entry: names would be missing from the listing. So the entries are sorted by a number that is made of the
//! name, which is the cookie.

use std::collections::BinaryHeap;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::tree::listing::for_each_entry;

/// An entry with its place in the order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SortedEntry {
    pub(crate) cookie: u64,
    pub(crate) name: Box<[u8]>,
    pub(crate) inode: u64,
    is_directory: bool,
}

impl SortedEntry {
    pub(crate) fn kind(&self) -> FileType {
        match self.is_directory {
            true => FileType::Directory,
            false => FileType::Unknown,
        }
    }
}

/// The cookies of `.` and `..`.
const DOTS: [(u64, &[u8]); 2] = [(1, b"."), (2, b"..")];

/// What an entry without a name takes in a reply, in bytes.
const OVERHEAD: usize = 28;

/// The first entries after `cookie` that may fit into `room` bytes of a reply, and whether there are more. `hash` is of a
/// name.
pub(crate) fn after(
    directory: BorrowedFd<'_>,
    cookie: u64,
    room: usize,
    hash: impl Fn(&[u8]) -> u64,
) -> Result<(Vec<SortedEntry>, bool), Errno> {
    let mut first = First {
        cookie,
        room,
        taken: 0,
        entries: BinaryHeap::new(),
        more: false,
    };
    for (cookie, name) in DOTS {
        first.add(cookie, name, 0, true);
    }
    for_each_entry(directory, |inode, kind, name| {
        // Some clients take cookies for signed.
        let cookie = (hash(name) >> 1).max(3);
        first.add(cookie, name, inode, kind == FileType::Directory);
        true
    })?;
    Ok((first.entries.into_sorted_vec(), first.more))
}

struct First {
    cookie: u64,
    room: usize,
    taken: usize,
    entries: BinaryHeap<SortedEntry>,
    more: bool,
}

impl First {
    fn add(&mut self, cookie: u64, name: &[u8], inode: u64, is_directory: bool) {
        if cookie <= self.cookie {
            return;
        }
        let full = self.taken >= self.room;
        if full && self.entries.peek().is_some_and(|last| last.cookie < cookie) {
            self.more = true;
            return;
        }
        self.taken += OVERHEAD + name.len();
        self.entries.push(SortedEntry {
            cookie,
            name: name.into(),
            inode,
            is_directory,
        });
        // One more than fits, so that the reply ends with an entry that is too much.
        while let Some(last) = self.entries.peek()
            && self.taken - (OVERHEAD + last.name.len()) >= self.room
        {
            self.taken -= OVERHEAD + last.name.len();
            self.entries.pop();
            self.more = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::os::fd::AsFd;

    use super::*;

    fn hash(name: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn pieces_of_any_size_have_every_name_once_although_others_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let names: BTreeSet<String> = (0..300).map(|number| format!("name-{number}")).collect();
        for name in &names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let open = File::open(folder.path()).unwrap();
        for room in [1, 40, 100, 1000, 4000, 100_000] {
            let (mut cookie, mut seen, mut rounds) = (0, Vec::new(), 0);
            loop {
                rustix::fs::seek(&open, rustix::fs::SeekFrom::Start(0)).unwrap();
                let (entries, more) = after(open.as_fd(), cookie, room, hash).unwrap();
                assert!(entries.is_sorted());
                cookie = entries.last().map_or(cookie, |last| last.cookie);
                seen.extend(entries.into_iter().map(|entry| entry.name));
                if !more {
                    break;
                }
                fs::write(folder.path().join(format!("other-{rounds}")), "").unwrap();
                rounds += 1;
            }
            let seen: Vec<String> = seen
                .iter()
                .map(|name| String::from_utf8(name.to_vec()).unwrap())
                .filter(|name| !name.starts_with("other"))
                .collect();
            assert_eq!(seen.len(), names.len() + 2, "{room}");
            assert!(names.iter().all(|name| seen.contains(name)), "{room}");
            for round in 0..rounds {
                fs::remove_file(folder.path().join(format!("other-{round}"))).unwrap();
            }
        }
    }
}
