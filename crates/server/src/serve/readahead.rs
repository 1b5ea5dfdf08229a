//! What the boots of each image read: noted by the export in one boot, and listed for the next ones, which read it ahead
//! (`netroot.readahead=`, [`netroot_proto::readahead`]).
//!
//! A list belongs to an image and to the directory that is its root. After a day, or when another directory has taken its
//! place, the next machine boots without a list, and is what the next list is made of. A list that is wrong costs a little
//! reading: it names only what machines may read anyway, and only what a machine asked for that was booting from here.
//!
//! The content is read through NFS, and not sent as one file over HTTP, to be unpacked into a layer of the overlay below the
//! tmpfs. Of a boot of Debian 12 that would be 288 files with 46 MB, 14 MB as zstd -3. Between two network namespaces (tc-tbf,
//! medians of 3): the boot's 1,810 calls one after the other 0.45 s at 1 Gbit/s and 3.8 s at 100 Mbit/s; that file with
//! unpacking it 0.14 s and 1.2 s; the same without compression 0.40 s and 3.8 s. So it saves 0.3 s at most where machines
//! are fast, and some 2.5 s at 100 Mbit/s, by compression alone, less what a boot computes meanwhile. For that, each machine
//! would hold 46 MB that it can never give back, have files that do not follow what is changed in the root, with other inode numbers
//! than their neighbours, and an init with a decompressor.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use netroot_nfs_export::{Server, Used, UsedFile, UsedFiles};
use netroot_proto::readahead::{ListedFile, Use, write};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalog::{Catalog, RootLocation};
use crate::serve::artifacts::ArtifactStore;
use crate::serve::events::Timeline;
use crate::serve::history::History;

/// The file in the state folder.
const FILE: &str = "readahead.json";
/// How long a list is used.
const AGE: Duration = Duration::from_secs(24 * 3600);
/// Who uses fewer files does not boot from there.
const FEWEST: usize = 8;
/// How long before its mount a boot begins, at most. Who mounts later has been running, and does something else.
const BOOTS: Duration = Duration::from_secs(10 * 60);
/// Of how many images lists are kept.
const IMAGES: usize = 64;
/// How many files of a folder are looked up one by one before it is listed instead: a folder of a few hundred files takes four
/// or five calls.
const MANY: usize = 8;
/// How often it is looked whether a boot is over.
const EVERY: Duration = Duration::from_secs(2);

/// The lists.
#[derive(Debug)]
pub(crate) struct Readahead {
    file: PathBuf,
    kept: Mutex<BTreeMap<String, Kept>>,
}

/// The list of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// What tells the exported directory from others, as its handles do ([`netroot_nfs_export::Export::identity`]).
    export: u32,
    /// When it was made, in seconds since 1970.
    made: u64,
    /// As it is sent.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    list: Bytes,
}

fn as_text<S: Serializer>(list: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(list).unwrap_or_default())
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}

impl Readahead {
    /// As they were kept. Without the file, or with one that makes no sense, there are none.
    pub(crate) fn load(state: &Path) -> Self {
        let file = state.join(FILE);
        let read = fs::read(&file).unwrap_or_default();
        let kept: BTreeMap<String, Kept> = serde_json::from_slice(&read).unwrap_or_default();
        Self {
            file,
            kept: Mutex::new(kept),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list for the machines that boot an image from now on.
    pub(crate) fn list(&self, nfs: &Server, catalog: &Catalog, image: &str) -> Option<Bytes> {
        let export = nfs.identity_of(own_root(catalog, image)?)?;
        self.fresh(image, export, now())
    }

    fn fresh(&self, image: &str, export: u32, now: u64) -> Option<Bytes> {
        let kept = self.kept();
        let list = kept.get(image)?;
        // A clock that was set back makes none older.
        let age = now.saturating_sub(list.made);
        (list.export == export && age < AGE.as_secs()).then(|| list.list.clone())
    }

    /// The exports of the images that need a list.
    fn wanted(&self, nfs: &Server, catalog: &Catalog) -> BTreeSet<String> {
        let images = catalog.images().map(|image| image.name.as_str());
        let roots = images.filter_map(|image| Some((image, own_root(catalog, image)?)));
        let wanted = roots.filter(|(image, _)| self.list(nfs, catalog, image).is_none());
        wanted.map(|(_, path)| path.to_owned()).collect()
    }

    /// Keeps what a boot used. False if it was none of an image's.
    fn keep(&self, nfs: &Server, catalog: &Catalog, used: &UsedFiles) -> bool {
        let mut images = catalog.images().map(|image| image.name.as_str());
        let is_its = |image: &&str| own_root(catalog, image).is_some_and(|it| it == used.export);
        let Some(image) = images.find(is_its).filter(|_| used.files.len() >= FEWEST) else {
            return false;
        };
        let Some(export) = nfs.identity_of(&used.export) else {
            return false;
        };
        self.insert(image, export, &used.files, now());
        true
    }

    fn insert(&self, image: &str, export: u32, files: &[UsedFile], made: u64) {
        let list = Bytes::from(write(&listed(files)));
        let mut kept = self.kept();
        let new = Kept { export, made, list };
        kept.insert(image.to_owned(), new);
        while kept.len() > IMAGES {
            let oldest = kept.iter().min_by_key(|(_, one)| one.made);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            kept.remove(&oldest);
        }
    }

    fn save(&self) -> io::Result<()> {
        // Not under the lock: it may be many megabytes, and machines wait for theirs.
        let kept = self.kept().clone();
        let text = serde_json::to_vec(&kept)?;
        let part = self.file.with_extension("json.part");
        fs::write(&part, text)?;
        fs::rename(part, &self.file)
    }
}

/// Makes lists of what the export notes, until the runtime ends.
pub(crate) async fn run(
    readahead: Arc<Readahead>,
    nfs: Option<Arc<Server>>,
    artifacts: Arc<ArtifactStore>,
    timeline: Timeline,
    history: Arc<History>,
) {
    let Some(nfs) = nfs else {
        return std::future::pending().await;
    };
    loop {
        let catalog = artifacts.catalog();
        nfs.want_used_files(readahead.wanted(&nfs, &catalog));
        let over = nfs.take_used_files().into_iter();
        let boots = over.filter(|used| {
            let mac = timeline.machines().at(used.client);
            let booted = mac.and_then(|mac| history.told(mac));
            is_boot(booted, used.mounted)
        });
        let kept = boots.filter(|used| readahead.keep(&nfs, &catalog, used));
        let kept = kept.count();
        if kept > 0 {
            let readahead = Arc::clone(&readahead);
            // At worst it is noted once more after a restart; that the folder cannot be written is told at the start.
            let _ = tokio::task::spawn_blocking(move || readahead.save()).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Whether a machine that mounted a root that long ago did so in a boot that it was given a script in, that long ago.
/// Somebody who mounts a root to look at it, or to change what others read ahead, does not boot.
fn is_boot(booted: Option<Duration>, mounted: Duration) -> bool {
    let before = booted.and_then(|booted| booted.checked_sub(mounted));
    before.is_some_and(|before| before <= BOOTS)
}

/// Under which path an image's root is exported from here.
fn own_root<'a>(catalog: &'a Catalog, image: &str) -> Option<&'a str> {
    let mut images = catalog.images();
    match &images.find(|one| one.name == image)?.root()?.location {
        RootLocation::Own { path, .. } => Some(path),
        RootLocation::Elsewhere(_) => None,
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What is read ahead, in the order in which it was used first.
///
/// A folder of which many files were used is listed, too, when it is used first: Linux asks for attributes and handles with the
/// names, and then has no LOOKUP for each. (It does not conclude from a listing that there is no file of another name.)
fn listed(files: &[UsedFile]) -> Vec<ListedFile> {
    let mut used_of: HashMap<&[u8], usize> = HashMap::new();
    // Of a name alone nobody knows whether there is such a file.
    for file in files.iter().filter(|file| file.used != Used::Name) {
        *used_of.entry(folder(&file.path)).or_default() += 1;
    }
    let is_listed = |path: &[u8]| used_of.get(path).is_some_and(|used| *used >= MANY);
    let files = files.iter().map(|file| ListedFile {
        path: file.path.clone(),
        used: match &file.used {
            Used::Name if is_listed(&file.path) => Use::List,
            Used::Name => Use::Name,
            Used::Link => Use::Link,
            Used::Listed => Use::List,
            Used::Read(ranges) => Use::Content(ranges.clone()),
        },
    });
    files.collect()
}

/// The path of the folder that a file is in; that of the root is empty.
fn folder(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.get(..slash.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<UsedFile> {
        let file = |path: &&str| UsedFile {
            path: (*path).into(),
            used: Used::Link,
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn only_a_machine_that_boots_says_what_the_others_read_ahead() {
        let seconds = |seconds| Duration::from_secs(seconds);
        assert!(is_boot(Some(seconds(140)), seconds(120)));
        // It is not known, has been running for long, or has begun to boot since.
        assert!(!is_boot(None, seconds(120)));
        assert!(!is_boot(Some(seconds(4000)), seconds(120)));
        assert!(!is_boot(Some(seconds(100)), seconds(120)));
    }

    #[test]
    fn a_folder_of_many_used_files_is_listed_before_the_first_of_them() {
        let file = |path: &str, used| UsedFile {
            path: path.into(),
            used,
        };
        let mut used = vec![
            file("usr", Used::Name),
            file("usr/lib", Used::Name),
            file("usr/bin", Used::Name),
            file("usr/absent", Used::Name),
        ];
        for number in 0..MANY {
            used.push(file(&format!("usr/lib/{number}"), Used::Read(vec![(0, 7)])));
            // Not one of them may be there.
            used.push(file(&format!("usr/absent/{number}"), Used::Name));
            if number > 0 {
                used.push(file(&format!("usr/bin/{number}"), Used::Link));
            }
        }
        let listed = listed(&used);
        let order = listed.iter().map(|file| &file.path);
        assert!(order.eq(used.iter().map(|file| &file.path)));
        let folders = listed.iter().filter(|file| file.used == Use::List);
        let folders: Vec<_> = folders.map(|file| &*file.path).collect();
        assert_eq!(folders, [b"usr/lib"]);
        assert_eq!(folder(b"sbin"), b"");
    }

    #[test]
    fn a_list_outlives_a_restart_and_ends_with_the_day_or_with_the_directory() {
        let state = tempfile::tempdir().unwrap();
        let readahead = Readahead::load(state.path());
        let (day, directory) = (AGE.as_secs(), 1);
        assert_eq!(readahead.fresh("debian", directory, 0), None);
        readahead.insert("debian", directory, &files(&["sbin", "lib"]), day);
        readahead.save().unwrap();
        let readahead = Readahead::load(state.path());
        let list = readahead.fresh("debian", directory, 2 * day - 1).unwrap();
        assert_eq!(list, "netroot-readahead 1\nL sbin\nL lib\n");
        assert_eq!(readahead.fresh("debian", directory, 2 * day), None);
        assert_eq!(readahead.fresh("debian", 2, day), None);
        assert_eq!(readahead.fresh("other", directory, day), None);
        // Of however many images.
        for image in 0..2 * IMAGES {
            let made = day + 1 + u64::try_from(image).unwrap();
            readahead.insert(&image.to_string(), directory, &files(&["sbin"]), made);
        }
        assert_eq!(readahead.kept().len(), IMAGES);
        assert_eq!(readahead.fresh("debian", directory, day), None);
        fs::write(state.path().join(FILE), "{").unwrap();
        assert_eq!(Readahead::load(state.path()).kept().len(), 0);
    }
}
