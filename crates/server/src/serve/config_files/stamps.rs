//! What tells the configuration's files from what they were, without reading them: the confined server cannot.
//!
//! It may look at the attributes of any file. A file that appears or goes changes the folder; which files there are it learns
//! from the helper that reads them. As with roots, no inotify: it does not see what other machines write, nor through the
//! links by which some tools exchange a whole folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::paths::FollowedPaths;
use super::snapshot::Snapshot;

/// What is at each path, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// The files that are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Watched(BTreeSet<PathBuf>);

impl Watched {
    /// The main file and the folder, so far, and that of the exchanged roots.
    pub(crate) fn new(followed: &FollowedPaths) -> Self {
        let place = followed.config.iter();
        let config = place.flat_map(|it| [it.file.clone(), it.drop_ins.clone()]);
        Self(config.chain([followed.swaps.clone()]).collect())
    }

    /// These, and the files of a snapshot, and whether those were among them already.
    pub(crate) fn with(followed: &FollowedPaths, snapshot: &Snapshot) -> Self {
        let mut watched = Self::new(followed);
        let files = snapshot.files.iter();
        watched.0.extend(files.map(|(path, _)| path.clone()));
        watched
    }

    /// Whether all those are among these.
    pub(crate) fn has_all_of(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Looks at them.
    pub(crate) fn look(&self) -> Stamps {
        let paths = self.0.iter();
        Stamps(paths.map(|path| (path.clone(), Stamp::of(path))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ConfigPlace;

    #[test]
    fn a_file_that_is_written_comes_or_goes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let place = ConfigPlace {
            file: folder.path().join("netroot.toml"),
            drop_ins: folder.path().join("conf.d"),
        };
        let followed = FollowedPaths {
            config: Some(place.clone()),
            swaps: folder.path().join("state-swaps/swaps.json"),
        };
        fs::create_dir(&place.drop_ins).unwrap();
        let watched = Watched::new(&followed);
        let nothing = watched.look();
        assert_eq!(nothing, watched.look());
        let drop_in = place.drop_ins.join("lab.toml");
        fs::write(&drop_in, "a = 1").unwrap();
        let with_it = watched.look();
        assert_ne!(nothing, with_it);
        // What is in it is seen once it is known.
        let known = Watched::with(&followed, &Snapshot::read(&place).unwrap());
        assert!(known.has_all_of(&watched) && !watched.has_all_of(&known));
        let before = known.look();
        fs::write(&drop_in, "a = 10").unwrap();
        assert_eq!(watched.look(), with_it);
        assert_ne!(known.look(), before);
        let other = place.drop_ins.join("other");
        fs::write(&other, "a = 11").unwrap();
        let before = known.look();
        fs::rename(&other, &drop_in).unwrap();
        assert_ne!(known.look(), before);
        let before = known.look();
        fs::create_dir(followed.swaps.parent().unwrap()).unwrap();
        assert_eq!(known.look(), before);
        fs::write(&followed.swaps, "{}").unwrap();
        assert_ne!(known.look(), before);
    }
}
