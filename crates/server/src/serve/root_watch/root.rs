//! A root's directory: the one that is served, and the one that is at its path.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netroot_initramfs::RootTree;
use netroot_nfs_export::{Export, ExportOptions, ReplacedExport, Submounts};

use super::open_root::open_root;
use super::world::World;
use crate::error_chain::with_causes;
use crate::serve::artifacts::{Folder, raspberry_pi};
use crate::serve::events::Submounted;
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_facts::Place;

/// How long an export that was replaced is kept without a call. A machine that runs from it makes one at least when somebody
/// uses it; it may sleep over a weekend.
const UNUSED: Duration = Duration::from_secs(7 * 24 * 3600);
/// The same if its directory has been deleted: there is nothing left but what machines have open.
const UNUSED_DELETED: Duration = Duration::from_secs(10 * 60);

/// The directories that have been looked at, for who only compares.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Seen>>);

/// Paths with what was there.
type Seen = Vec<(PathBuf, Option<Place>)>;

impl Places {
    /// Whether each path leads to the directory that it led to at the last look.
    pub(crate) fn are_as_seen(&self) -> bool {
        let places = self.lock().clone();
        let mut places = places.iter();
        places.all(|(path, seen)| Place::at(path).ok() == *seen)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all but these.
    pub(super) fn keep(&self, paths: &[&Path]) {
        self.lock()
            .retain(|(path, _)| paths.contains(&path.as_path()));
    }

    fn note(&self, path: &Path, place: Option<Place>) {
        let mut places = self.lock();
        match places.iter_mut().find(|(known, _)| known == path) {
            Some((_, known)) => *known = place,
            None => places.push((path.to_owned(), place)),
        }
    }
}

/// A root that is served.
#[derive(Debug)]
pub(crate) struct Root {
    directory: PathBuf,
    /// The number of an image that has it.
    image: ImageNumber,
    /// The names of all that have it.
    names: Vec<String>,
    tree: Arc<RootTree>,
    export: Option<ExportOptions>,
    places: Places,
    /// The directory that is served, on a file system that gives its directories no link (some on FUSE do not), so that
    /// it looks deleted.
    linkless: Option<Place>,
    /// What was at the path when nothing could be done about it.
    done_with: Option<Option<Place>>,
    /// Somebody asked: what is mounted below it is compared, too.
    asked: bool,
    /// What was mounted below it when it was opened anew.
    below: Option<Submounted>,
}

/// What has become of a root's path.
#[derive(Debug)]
pub(super) enum RootChange {
    None,
    Replaced,
    /// What is mounted below it.
    Mounts,
    Gone,
    NotFollowed(String),
}

impl Root {
    /// The root that is open as `tree`, of the image `name` with the number `image`.
    pub(super) fn new(
        tree: Arc<RootTree>,
        image: ImageNumber,
        name: String,
        export: Option<ExportOptions>,
        places: Places,
    ) -> Self {
        let directory = tree.path().to_owned();
        places.note(&directory, Place::of(tree.directory()));
        Self {
            directory,
            image,
            names: vec![name],
            tree,
            export,
            places,
            linkless: None,
            done_with: None,
            asked: false,
            below: None,
        }
    }

    /// It is that of an image in another configuration.
    pub(super) fn reconfigured(
        self,
        image: ImageNumber,
        name: String,
        export: Option<ExportOptions>,
    ) -> Self {
        Self {
            image,
            names: vec![name],
            export,
            ..self
        }
    }

    /// Another image has the same root.
    pub(super) fn also_of(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that is served.
    pub(super) fn tree(&self) -> Arc<RootTree> {
        Arc::clone(&self.tree)
    }

    /// A directory that could not be followed is tried again, and what is mounted below it is looked at.
    pub(super) fn forget_failures(&mut self) {
        self.done_with = None;
        self.asked = true;
    }

    /// The file systems below it, once after it was opened anew, if there are any or were.
    pub(super) fn take_below(&mut self) -> Option<Submounted> {
        self.below.take()
    }

    /// Whether the file systems below it are others than those that are served.
    async fn mounts_have_changed(&self, world: &World) -> bool {
        let name = self.export.as_ref().and_then(|export| export.names.first());
        let (Some(nfs), Some(name)) = (world.nfs.clone(), name.cloned()) else {
            return false;
        };
        let looked = tokio::task::spawn_blocking(move || nfs.mounts_have_changed(&name));
        looked.await.unwrap_or(false)
    }

    /// Whether what is served is at its path. An initrd is built from what is there.
    pub(super) fn is_at_its_path(&self) -> bool {
        self.done_with.is_none()
    }

    /// Whether nothing is at its path any more.
    pub(super) fn is_gone(&self) -> bool {
        self.done_with == Some(None)
    }

    pub(super) fn has_name_of(&self, replaced: &ReplacedExport) -> bool {
        let options = self.export.as_ref();
        options.is_some_and(|options| options.names.first() == replaced.names.first())
    }

    /// Compares what is at the path with what is served, and serves that from now on if it is another directory.
    pub(super) async fn look(&mut self, world: &World) -> RootChange {
        let path = self.directory.clone();
        let tree = self.tree();
        let looked = tokio::task::spawn_blocking(move || {
            // Of a directory that was deleted there is none: another one may have its number by now.
            (Place::at(&path), Place::of(tree.directory()))
        });
        let Ok((there, served)) = looked.await else {
            return RootChange::None;
        };
        let served = served.or(self.linkless);
        let there = match there {
            Ok(there) => Some(there),
            Err(error) if is_absence(&error) => None,
            // A file system that does not answer is no other one.
            Err(_) => return RootChange::None,
        };
        let asked = std::mem::take(&mut self.asked);
        if there.is_some() && there == served {
            self.done_with = None;
            self.places.note(&self.directory, there);
            if !asked || !self.mounts_have_changed(world).await {
                return RootChange::None;
            }
            return match self.follow(world, true).await {
                Ok(()) => RootChange::Mounts,
                Err(why) => RootChange::NotFollowed(why),
            };
        }
        if self.done_with == Some(there) {
            return RootChange::None;
        }
        self.done_with = Some(there);
        let change = match there {
            None => RootChange::Gone,
            Some(now) => match self.follow(world, false).await {
                Ok(()) => {
                    self.linkless = linkless(&self.tree, Some(now));
                    RootChange::Replaced
                }
                Err(why) => RootChange::NotFollowed(why),
            },
        };
        self.places.note(&self.directory, there);
        change
    }

    /// Opens it anew and serves it; `mounts` if only what is mounted below it has changed.
    async fn follow(&mut self, world: &World, mounts: bool) -> Result<(), String> {
        let tree = open_root(&world.root_helper, self.image, &self.directory).await?;
        let (options, names) = (self.export.clone(), self.names.clone());
        let directory = self.directory.clone();
        let (nfs, artifacts) = (world.nfs.clone(), Arc::clone(&world.artifacts));
        let followed = tokio::task::spawn_blocking(move || -> Result<_, String> {
            let mut below = None;
            let path = PathBuf::from(format!("/proc/self/fd/{}", tree.directory().as_raw_fd()));
            let mut leave_out = false;
            if let (Some(nfs), Some(options)) = (nfs, options) {
                leave_out = options.submounts == Submounts::LeaveOut;
                let hidden = options.hidden.clone();
                let options = ExportOptions {
                    original: Some(directory.clone()),
                    ..options
                };
                let export = Export::open(&path, options).map_err(|error| with_causes(&error))?;
                let found = Submounted::of(&directory, export.mounts_below());
                // None is worth a line only if there were some.
                below = Some(found).filter(|found| mounts || !found.is_empty());
                nfs.replace(export).map_err(|error| with_causes(&error))?;
                // Where the directory is in the helper's area of mounts.
                let real = fs::read_link(&path).unwrap_or_else(|_| path.clone());
                for name in names {
                    let images = [(real.as_path(), &hidden)].into_iter();
                    let folder = raspberry_pi::of_root(&path).map(|it: Folder| it.hiding(images));
                    artifacts.put_firmware(&name, folder);
                }
            }
            let tree = match leave_out {
                true => tree.without_mounts(),
                false => tree,
            };
            Ok((tree, below))
        });
        let (tree, below) = followed.await.map_err(|error| error.to_string())??;
        self.below = below;
        self.tree = Arc::new(tree);
        self.done_with = None;
        Ok(())
    }
}

/// What was `there` when a directory was opened as `tree`, if that looks deleted since: a moment ago it was not.
fn linkless(tree: &RootTree, there: Option<Place>) -> Option<Place> {
    there.filter(|_| Place::of(tree.directory()).is_none())
}

/// Whether an export that was replaced may be closed.
pub(super) fn is_unused(replaced: &ReplacedExport) -> bool {
    let longest = match replaced.deleted {
        true => UNUSED_DELETED,
        false => UNUSED,
    };
    replaced.idle >= longest
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_looks_deleted_when_it_is_opened_is_known_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("root");
        fs::create_dir(&directory).unwrap();
        let tree = RootTree::open(&directory).unwrap();
        let there = Place::at(&directory).ok();
        assert_eq!(linkless(&tree, there), None);
        fs::remove_dir(&directory).unwrap();
        assert_eq!(linkless(&tree, there), there);
        assert_eq!(linkless(&tree, None), None);
    }
}
