//! Finds files again where kernel handles cannot be used: without `CAP_DAC_READ_SEARCH`, or on a file system without
//! handles that last.
//!
//! A handle then contains a file's number, a birth time, and for files with one name the number of their directory. The
//! index knows where directories and files with several names were last seen. What it does not know, because the server
//! was restarted or the file was moved, it finds by walking the whole file system. One walk answers everybody: those who
//! ask meanwhile wait a while for what it finds, and are then put off. So handles survive a restart here too.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use crate::tree::file_system::{EntryNumber, FileSystem, generation};
use crate::tree::handle::PlaceId;
use crate::tree::listing::for_each_entry;
use crate::tree::node::is_unchanged;
use crate::tree::root_dir::open_entry;

/// The most directories in the index, about 100 bytes each; a Debian root has some ten thousand. What is not in it costs
/// walks.
const MAX_DIRECTORIES: usize = 200_000;

/// The most names of files with several, about 40 bytes each: nearly all files of a deduplicated store.
const MAX_LINKS: usize = 1_000_000;

/// The most files that a walk looks for by their numbers, and the most that are known to be gone.
const MAX_WANTED: usize = 10_000;

/// The shortest time between two walks: each handle of a deleted file may cause one.
pub(super) const WALK_INTERVAL: Duration = Duration::from_secs(10);

/// A walk that took long is repeated after so many times its duration.
const WALK_SHARE: u32 = 3;

/// How long a call waits for a walk.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a waiting call looks whether its file has been found.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a file that a walk did not find is not looked for again.
const GONE_FOR: Duration = Duration::from_secs(30);

/// `PATH_MAX` without its NUL: deeper directories cannot be opened by path.
pub(super) const MAX_PATH: usize = 4095;

#[derive(Debug, Default)]
pub(super) struct Places {
    state: Mutex<State>,
    walked: Condvar,
}

#[derive(Debug, Default)]
struct State {
    directories: HashMap<u64, Place>,
    /// The number of each file with several names and those of the directories that they are in; and the walk that saw it.
    links: BTreeMap<(u64, u64), u32>,
    /// Files that were not where they were expected, and how many walks had begun by then.
    wanted: HashMap<u64, u32>,
    /// Files that a walk did not find.
    gone: HashMap<u64, Instant>,
    begun: u32,
    done: u32,
    last_walk: Option<(Instant, Duration)>,
}

#[derive(Debug)]
struct Place {
    parent: u64,
    name: Box<[u8]>,
    /// The walk that saw it.
    seen: u32,
}

/// An open file and the name that it was found by, in the directory with the number `parent`.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) file: OwnedFd,
    pub(super) parent: u64,
    pub(super) name: Box<[u8]>,
}

impl Places {
    /// Identifies a file that was found as `name` in `directory`, which has the number `parent`.
    pub(super) fn identify(
        &self,
        files: &FileSystem,
        file: BorrowedFd<'_>,
        stat: &Stat,
        (parent, name): (u64, &[u8]),
    ) -> Result<PlaceId, Errno> {
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let several = files.has_several_names(stat);
        let (number, generation) = match files.by_paths() {
            false => (files.file_id(file, stat), generation(file)?),
            true if several => {
                let link = files.link_number(file, b"")?;
                (
                    link.map_or_else(|| files.path_id(parent, name), |link| link.id),
                    0,
                )
            }
            true => (files.path_id(parent, name), 0),
        };
        let mut state = self.lock();
        if directory {
            state.note_directory(number, parent, name);
        } else if several {
            state.note_link(number, parent);
        }
        Ok(PlaceId {
            file: number,
            generation,
            parent: if directory || several { 0 } else { parent },
        })
    }

    /// Opens the file again.
    ///
    /// `ESTALE` when it is deleted; `EAGAIN` when it is not where it was last seen and cannot be looked for yet.
    pub(super) fn open(
        self: &Arc<Self>,
        files: &Arc<FileSystem>,
        id: &PlaceId,
    ) -> Result<Named, Errno> {
        if let Ok(found) = self.find(files, id) {
            return Ok(found);
        }
        let patience = Instant::now() + PATIENCE;
        let mut state = self.lock();
        if state.is_gone(id.file) {
            return Err(Errno::STALE);
        }
        let before = state.want(id.file);
        loop {
            if state.done > before {
                drop(state);
                return self.find(files, id).map_err(|_| Errno::STALE);
            }
            if state.begun == state.done {
                // The walk may have come by since the last look.
                if state.is_too_soon() {
                    drop(state);
                    return self.find(files, id).map_err(|_| Errno::AGAIN);
                }
                state.begun = state.begun.wrapping_add(1);
                drop(state);
                self.start_walk(files);
                state = self.lock();
                continue;
            }
            if Instant::now() >= patience {
                return Err(Errno::AGAIN);
            }
            let waited = self.walked.wait_timeout(state, LOOK_AGAIN);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Ok(found) = self.find(files, id) {
                return Ok(found);
            }
            state = self.lock();
        }
    }

    /// Whether a file that is known by its path is still there: another one may have taken its place, and overlayfs may
    /// have copied it to its upper layer.
    pub(super) fn is_there(&self, files: &FileSystem, at: (u64, &[u8]), known: &Stat) -> bool {
        let (parent, name) = at;
        let Ok(mut path) = self.lock().path(files, parent) else {
            return false;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let found = open_entry(files.root.directory(), &path).and_then(rustix::fs::fstat);
        found.is_ok_and(|found| is_unchanged(&found, known))
    }

    fn find(&self, files: &FileSystem, id: &PlaceId) -> Result<Named, Errno> {
        if id.file == files.root_id() {
            let file = rustix::io::fcntl_dupfd_cloexec(files.root.directory(), 0)?;
            return verified(files, id, file, (0, b""));
        }
        if id.parent != 0
            && let Ok(found) = self.find_in(files, id, id.parent)
        {
            return Ok(found);
        }
        let known = {
            let state = self.lock();
            let place = state.directories.get(&id.file);
            place.map(|place| (place.parent, place.name.clone(), state.path(files, id.file)))
        };
        if let Some((parent, name, Ok(path))) = known {
            let file = open_entry(files.root.directory(), &path)?;
            if let Ok(found) = verified(files, id, file, (parent, &name)) {
                return Ok(found);
            }
        }
        let parents: Vec<u64> = {
            let state = self.lock();
            let same = state.links.range((id.file, 0)..=(id.file, u64::MAX));
            same.map(|((_, parent), _)| *parent).collect()
        };
        let mut found = parents
            .iter()
            .filter_map(|parent| self.find_in(files, id, *parent).ok());
        found.next().ok_or(Errno::STALE)
    }

    /// Finds the file in the directory with the number `parent`.
    fn find_in(&self, files: &FileSystem, id: &PlaceId, parent: u64) -> Result<Named, Errno> {
        let path = self.lock().path(files, parent)?;
        let directory = files.root.open_below(&path)?;
        let numbers = files.entry_numbers(&directory, parent);
        let mut found = Err(Errno::STALE);
        for_each_entry(directory.as_fd(), |inode, kind, name| {
            let is = match files.by_paths() {
                // The attributes of all others need not be read.
                true if id.parent != 0 => files.path_id(parent, name) == id.file,
                _ => numbers.of(inode, kind, name).is(id.file),
            };
            if is {
                found = open_entry(directory.as_fd(), name)
                    .and_then(|file| verified(files, id, file, (parent, name)));
            }
            found.is_err()
        })?;
        found
    }

    /// Walks in a thread of its own: no call takes as long as a walk over a slow disk.
    fn start_walk(self: &Arc<Self>, files: &Arc<FileSystem>) {
        let (places, walked) = (Arc::clone(self), Arc::clone(files));
        let thread = std::thread::Builder::new().name("nfs-walk".to_owned());
        if thread.spawn(move || places.walk(&walked)).is_err() {
            self.walk(files);
        }
    }

    /// Walks the file system and notes what is where, as it goes.
    fn walk(&self, files: &FileSystem) {
        let begun = Instant::now();
        let mut pending = VecDeque::from([(files.root_id(), Vec::new())]);
        while let Some((number, path)) = pending.pop_front() {
            let Ok(directory) = files.root.open_below(&path) else {
                continue;
            };
            let numbers = files.entry_numbers(&directory, number);
            let mut below = Vec::new();
            let mut names = Vec::new();
            // Errors are ignored: what follows in this directory is not found, everything else is.
            let _ = for_each_entry(directory.as_fd(), |inode, kind, name| {
                let entry = numbers.of(inode, kind, name);
                if kind != FileType::Directory {
                    let several = has_several_names(&directory, name, entry);
                    names.push((entry.id, several));
                    // A file that had several when it was identified.
                    names.extend(entry.as_link.map(|link| (link, false)));
                } else if path.len() + name.len() < MAX_PATH {
                    below.push((entry.id, Box::<[u8]>::from(name)));
                }
                true
            });
            let mut state = self.lock();
            for (entry, several) in names {
                if several || state.wanted.contains_key(&entry) {
                    state.note_link(entry, number);
                }
            }
            for (entry, name) in below {
                state.note_directory(entry, number, &name);
                let path = match &*path {
                    [] => name.to_vec(),
                    path => [path, &name].join(&b'/'),
                };
                pending.push_back((entry, path));
            }
        }
        self.lock().finish(begun);
        self.walked.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_directory(&mut self, number: u64, parent: u64, name: &[u8]) {
        let seen = self.begun;
        if self.directories.len() < MAX_DIRECTORIES || self.directories.contains_key(&number) {
            let name = name.into();
            self.directories
                .insert(number, Place { parent, name, seen });
        }
    }

    fn note_link(&mut self, number: u64, parent: u64) {
        if self.links.len() < MAX_LINKS || self.links.contains_key(&(number, parent)) {
            self.links.insert((number, parent), self.begun);
        }
    }

    /// The path of a directory below the root, as last seen.
    fn path(&self, files: &FileSystem, number: u64) -> Result<Vec<u8>, Errno> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut length = 0;
        let mut at = number;
        while at != files.root_id() {
            let place = self.directories.get(&at).ok_or(Errno::STALE)?;
            length += place.name.len() + 1;
            // Also ends a circle, which directories moved into one another can leave in the index.
            if length > MAX_PATH {
                return Err(Errno::STALE);
            }
            names.push(&place.name);
            at = place.parent;
        }
        names.reverse();
        Ok(names.join(&b'/'))
    }

    /// Has the next walk look for a file. Returns how many walks had begun when it was first asked for.
    fn want(&mut self, number: u64) -> u32 {
        if self.wanted.len() >= MAX_WANTED {
            return self.begun;
        }
        *self.wanted.entry(number).or_insert(self.begun)
    }

    fn is_gone(&self, number: u64) -> bool {
        let since = self.gone.get(&number);
        since.is_some_and(|since| since.elapsed() < GONE_FOR)
    }

    fn is_too_soon(&self) -> bool {
        self.last_walk.is_some_and(|(ended, took)| {
            ended.elapsed() < WALK_INTERVAL.max(took.saturating_mul(WALK_SHARE))
        })
    }

    /// The walk has ended: what it has not seen is not there any more.
    fn finish(&mut self, begun: Instant) {
        let walk = self.begun;
        self.directories.retain(|_, place| place.seen == walk);
        self.links.retain(|_, seen| *seen == walk);
        let now = Instant::now();
        self.gone
            .retain(|_, since| now.saturating_duration_since(*since) < GONE_FOR);
        // Those that were asked for before it began have been found by now, or are gone.
        let answered: Vec<u64> = self
            .wanted
            .extract_if(|_, asked| *asked < walk)
            .map(|(number, _)| number)
            .collect();
        let room = MAX_WANTED.saturating_sub(self.gone.len());
        self.gone
            .extend(answered.into_iter().take(room).map(|number| (number, now)));
        self.done = walk;
        self.last_walk = Some((now, now.saturating_duration_since(begun)));
    }
}

fn has_several_names(directory: &OwnedFd, name: &[u8], entry: EntryNumber) -> bool {
    let look = || {
        rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| stat.st_nlink > 1)
    };
    entry.several_names.unwrap_or_else(look)
}

/// Checks that the opened file is the identified one.
fn verified(
    files: &FileSystem,
    id: &PlaceId,
    file: OwnedFd,
    (parent, name): (u64, &[u8]),
) -> Result<Named, Errno> {
    let stat = rustix::fs::fstat(&file)?;
    let same = match files.by_paths() {
        true if id.file == files.root_id() => true,
        true => {
            let link = || files.link_number(file.as_fd(), b"");
            files.path_id(parent, name) == id.file || link()?.is_some_and(|link| link.id == id.file)
        }
        false => {
            files.file_id(file.as_fd(), &stat) == id.file
                && generation(file.as_fd())? == id.generation
        }
    };
    same.then(|| Named {
        file,
        parent,
        name: name.into(),
    })
    .ok_or(Errno::STALE)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// As a server that has looked up these files identifies them.
    fn identified(files: &FileSystem, root: &Path, path: &str) -> PlaceId {
        let places = Places::default();
        let mut parent = files.root_id();
        let mut id = None;
        for (at, name) in path.split('/').enumerate() {
            let below: Vec<_> = path.split('/').take(at + 1).collect();
            let file = fs::File::open(root.join(below.join("/"))).unwrap();
            let stat = rustix::fs::fstat(&file).unwrap();
            let found = places
                .identify(files, file.as_fd(), &stat, (parent, name.as_bytes()))
                .unwrap();
            parent = found.file;
            id = Some(found);
        }
        id.unwrap()
    }

    #[test]
    fn one_walk_answers_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for number in 0..20 {
            let below = root.join(format!("a/{number}"));
            fs::create_dir_all(&below).unwrap();
            fs::write(below.join("file"), "").unwrap();
            fs::write(below.join("linked"), "").unwrap();
            for name in ["link", "other"] {
                let link = root.join(format!("a/{name}{number}"));
                fs::hard_link(below.join("linked"), link).unwrap();
            }
            fs::write(below.join("moved"), "").unwrap();
            fs::write(below.join("deleted"), "").unwrap();
        }
        let files = Arc::new(FileSystem::for_test(root));
        let id = |name: &str, number| identified(&files, root, &format!("a/{number}/{name}"));
        let ids = |name: &str| (0..20).map(|number| id(name, number)).collect::<Vec<_>>();
        let here = [ids("file"), ids("linked")].concat();
        let (moved, deleted) = (ids("moved"), ids("deleted"));
        for number in 0..20 {
            let below = root.join(format!("a/{number}"));
            fs::rename(below.join("moved"), root.join(format!("elsewhere{number}"))).unwrap();
            fs::remove_file(below.join("deleted")).unwrap();
            // The name that it was identified by.
            fs::remove_file(below.join("linked")).unwrap();
        }
        let places = Arc::new(Places::default());
        // All of them ask before the walk begins.
        for id in moved.iter().chain(&deleted) {
            places.lock().want(id.file);
        }
        std::thread::scope(|scope| {
            for part in [&here, &moved, &deleted] {
                let (places, files, deleted) = (&places, &files, &deleted);
                scope.spawn(move || {
                    for id in part {
                        let found = places.open(files, id).map(drop);
                        let is_deleted = deleted.contains(id);
                        assert_eq!(
                            found,
                            if is_deleted {
                                Err(Errno::STALE)
                            } else {
                                Ok(())
                            }
                        );
                    }
                });
            }
        });
        let state = places.lock();
        assert_eq!((state.begun, state.done), (1, 1));
    }

    #[test]
    fn what_is_asked_for_too_soon_after_a_walk_is_put_off() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let files = Arc::new(FileSystem::for_test(folder.path()));
        let id = identified(&files, folder.path(), "file");
        fs::remove_file(folder.path().join("file")).unwrap();
        let places = Arc::new(Places::default());
        assert_eq!(places.open(&files, &id).unwrap_err(), Errno::STALE);
        assert_eq!(places.open(&files, &id).unwrap_err(), Errno::STALE);
        let other = PlaceId { file: 1, ..id };
        assert_eq!(places.open(&files, &other).unwrap_err(), Errno::AGAIN);
        places.lock().last_walk = None;
        assert_eq!(places.open(&files, &other).unwrap_err(), Errno::STALE);
        assert_eq!(places.lock().done, 2);
    }
}
