//! What a machine uses of its root from its mount on, in order: for who wants to read it ahead for the next one.
//!
//! Bounded in clients, files, bytes and time, since it is the machine that says what is kept. No name is kept that it did not
//! ask for, and nothing of a hidden file, which it is not told of.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many machines are watched at once.
const CLIENTS: usize = 4;
/// How many files of one; a boot of Debian to its login uses 700.
const FILES: usize = 4096;
/// How many bytes their paths may have together.
const PATH_BYTES: usize = 256 << 10;
/// How many separate ranges of one file. More than that become one.
const RANGES: usize = 8;
/// A boot is over when nothing new has been used for so long, or after so long in any case.
const QUIET: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(120);

/// How a file was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// Its name was looked up, whether or not there is such a file.
    Name,
    /// It is a link that was followed.
    Link,
    /// It is a directory that was listed.
    Listed,
    /// These parts of its content were read: offset and length in bytes, in ascending order and apart.
    Read(Vec<(u64, u64)>),
}

/// A file that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedFile {
    /// Its path below the root, without a slash at its beginning.
    pub path: Vec<u8>,
    /// How.
    pub used: Used,
}

/// What one machine used of one export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedFiles {
    /// The machine.
    pub client: IpAddr,
    /// The path that it mounted.
    pub export: String,
    /// How long ago that was.
    pub mounted: Duration,
    /// The files, in the order in which they were used first.
    pub files: Vec<UsedFile>,
}

/// The machines that are watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Whether there are any: looked at by every call.
    any: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The exports whose next machine is watched.
    wanted: BTreeSet<String>,
    clients: HashMap<IpAddr, Watching>,
}

#[derive(Debug)]
struct Watching {
    export: String,
    began: Instant,
    /// When something was used for the first time.
    last: Instant,
    files: Vec<UsedFile>,
    at: HashMap<Vec<u8>, usize>,
    path_bytes: usize,
}

impl Watched {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next machine that mounts one of these exports is watched.
    pub(crate) fn want(&self, exports: BTreeSet<String>) {
        let mut inner = self.inner();
        let is_watched = |export: &String| inner.clients.values().any(|one| one.export == *export);
        let wanted = exports.into_iter().filter(|export| !is_watched(export));
        let wanted = wanted.collect();
        inner.wanted = wanted;
    }

    /// A machine mounted an export.
    pub(crate) fn mounted(&self, client: IpAddr, export: &str, now: Instant) {
        let mut inner = self.inner();
        // A boot mounts twice: the init asks first, and then the kernel does.
        if inner.clients.contains_key(&client) || inner.clients.len() >= CLIENTS {
            return;
        }
        if inner.wanted.remove(export) {
            inner.clients.insert(client, Watching::new(export, now));
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// Whether what this machine uses is noted.
    pub(crate) fn watches(&self, client: IpAddr) -> bool {
        self.any.load(Ordering::Relaxed) && self.inner().clients.contains_key(&client)
    }

    /// It used a file.
    pub(crate) fn used(&self, client: IpAddr, path: Vec<u8>, used: &Used, now: Instant) {
        if let Some(watching) = self.inner().clients.get_mut(&client) {
            watching.add(path, used, now);
        }
    }

    /// The boots that are over.
    pub(crate) fn take(&self, now: Instant) -> Vec<UsedFiles> {
        let mut inner = self.inner();
        let over = |of: &Watching| {
            now.saturating_duration_since(of.last) >= QUIET
                || now.saturating_duration_since(of.began) >= LONGEST
        };
        let over: Vec<IpAddr> = inner
            .clients
            .iter()
            .filter(|(_, watching)| over(watching))
            .map(|(client, _)| *client)
            .collect();
        let taken = over.into_iter().filter_map(|client| {
            let watching = inner.clients.remove(&client)?;
            Some(UsedFiles {
                client,
                export: watching.export,
                mounted: now.saturating_duration_since(watching.began),
                files: watching.files,
            })
        });
        let taken = taken.collect();
        self.any.store(!inner.clients.is_empty(), Ordering::Relaxed);
        taken
    }
}

impl Watching {
    fn new(export: &str, now: Instant) -> Self {
        Self {
            export: export.to_owned(),
            began: now,
            last: now,
            files: Vec::new(),
            at: HashMap::new(),
            path_bytes: 0,
        }
    }

    fn add(&mut self, path: Vec<u8>, used: &Used, now: Instant) {
        let known = self.at.get(&path).and_then(|at| self.files.get_mut(*at));
        if let Some(file) = known {
            match (&mut file.used, used) {
                (Used::Read(ranges), Used::Read(more)) => {
                    more.iter().for_each(|range| merge(ranges, *range));
                }
                (before @ Used::Name, used) => *before = used.clone(),
                _ => {}
            }
            return;
        }
        if self.files.len() >= FILES || self.path_bytes + path.len() > PATH_BYTES {
            return;
        }
        self.last = now;
        self.path_bytes += path.len();
        self.at.insert(path.clone(), self.files.len());
        self.files.push(UsedFile {
            path,
            used: used.clone(),
        });
    }
}

/// Adds a range to some that are in order and apart.
fn merge(ranges: &mut Vec<(u64, u64)>, more: (u64, u64)) {
    ranges.push(more);
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (offset, length) in ranges.drain(..) {
        let end = offset.saturating_add(length);
        match merged.last_mut() {
            Some((first, before)) if offset <= first.saturating_add(*before) => {
                *before = end.max(first.saturating_add(*before)) - *first;
            }
            _ => merged.push((offset, length)),
        }
    }
    if let (true, Some((first, _)), Some((last, length))) =
        (merged.len() > RANGES, merged.first(), merged.last())
    {
        merged = vec![(*first, last.saturating_add(*length) - *first)];
    }
    *ranges = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    fn wanting(export: &str) -> Watched {
        let watched = Watched::default();
        watched.want(BTreeSet::from([export.to_owned()]));
        watched
    }

    #[test]
    fn files_are_in_the_order_of_their_first_use_with_what_was_read_of_them() {
        let (watched, start) = (wanting("/debian"), Instant::now());
        watched.mounted(MACHINE, "/other", start);
        assert!(!watched.watches(MACHINE));
        watched.mounted(MACHINE, "/debian", start);
        assert!(watched.watches(MACHINE));
        let used = |path: &str, used| watched.used(MACHINE, path.into(), &used, start);
        used("sbin", Used::Name);
        used("usr/bin/x", Used::Name);
        used("sbin", Used::Link);
        used("usr/bin/x", Used::Read(vec![(16384, 4096)]));
        used("usr/bin/x", Used::Read(vec![(0, 16384)]));
        used("usr/bin/x", Used::Read(vec![(65536, 4096)]));
        used("usr/bin/x", Used::Name);
        assert_eq!(watched.take(start + QUIET / 2), []);
        let taken = watched.take(start + QUIET);
        let file = |path: &str, used| UsedFile {
            path: path.into(),
            used,
        };
        let read = Used::Read(vec![(0, 20480), (65536, 4096)]);
        assert_eq!(
            taken,
            [UsedFiles {
                client: MACHINE,
                export: "/debian".to_owned(),
                mounted: QUIET,
                files: vec![file("sbin", Used::Link), file("usr/bin/x", read)],
            }]
        );
        // One machine was wanted, and there was one.
        watched.mounted(MACHINE, "/debian", start);
        assert!(!watched.watches(MACHINE));
    }

    #[test]
    fn a_machine_can_make_it_neither_long_nor_last() {
        let (watched, start) = (wanting("/debian"), Instant::now());
        watched.mounted(MACHINE, "/debian", start);
        for number in 0..2 * FILES {
            let path = format!("{number:0>64}").into_bytes();
            watched.used(MACHINE, path, &Used::Name, start + LONGEST);
        }
        let one = format!("{:0>64}", 0).into_bytes();
        for at in 0..100 {
            let range = Used::Read(vec![(at * 8192, 4096)]);
            watched.used(MACHINE, one.clone(), &range, start + LONGEST);
        }
        let [taken] = watched.take(start + LONGEST).try_into().unwrap();
        let bytes: usize = taken.files.iter().map(|file| file.path.len()).sum();
        assert!(taken.files.len() <= FILES && bytes <= PATH_BYTES);
        let Used::Read(ranges) = &taken.files[0].used else {
            panic!("{:?}", taken.files[0]);
        };
        assert!(ranges.len() <= RANGES + 1, "{ranges:?}");
        assert_eq!(
            ranges.last().map(|(at, length)| at + length),
            Some(99 * 8192 + 4096)
        );
    }
}
