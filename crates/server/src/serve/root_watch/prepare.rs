//! From the configuration's files to everything that serving what they say takes: read, opened and built beside what is
//! served, which does not notice.

mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use netroot_initramfs::RootTree;

use super::configured::Read;
use super::fall_back::{
    RootChanges, Unserved, change_roots, fall_back_as_before, instead, serves, written_roots,
};
use super::world::World;
use crate::catalog::Image;
use crate::config::Mistakes;
use crate::generations::{self, Found};
use crate::serve::artifacts::BootFiles;
use crate::serve::config_files::{self, Comparison, FollowedPaths, Snapshot, Watched};
use crate::serve::privileged_helper::{HelperError, ImageNumber};
use crate::serve::root_facts::Facts;
use crate::settings::{CatalogSettings, ImageSettings, ImageSource, RootSettings, Settings};
use crate::swaps;

/// How many mistakes of a configuration are told, a line each; `netroot check-config` tells all.
pub(super) const SHOWN: usize = 12;

/// What is to be prepared.
#[derive(Debug)]
pub(super) enum Wanted {
    /// What the files say now.
    Configuration {
        /// The files that have been looked at for long enough; `None` for any.
        known: Option<Watched>,
        /// Swapped roots that cannot be served are tried again.
        again: bool,
    },
    /// The generations that the roots have now, of a configuration that has not changed.
    Generations,
    /// Other ones of the roots that images were swapped from and to, by the images' names.
    Roots(RootChanges),
}

/// What preparing starts from.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) world: World,
    /// Where initrds are kept.
    pub(super) cache: PathBuf,
    pub(super) start: Arc<Settings>,
    pub(super) followed: FollowedPaths,
    /// What is served, and the digest of the files that say so.
    pub(super) served: CatalogSettings,
    pub(super) digest: u64,
    /// The directories that are served, by their paths, where they are still there.
    pub(super) trees: BTreeMap<PathBuf, Arc<RootTree>>,
    /// The images that machines are ordered to boot.
    pub(super) ordered: BTreeSet<String>,
    /// Set while an initrd is built.
    pub(super) builds: Arc<AtomicBool>,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There are files that have not been looked at.
    Unknown(Watched),
    /// They changed while they were read.
    Again {
        /// What they were before that.
        digest: u64,
        why: String,
    },
    /// What they say is served.
    Same(Read),
    /// It cannot be served.
    Wrong {
        /// `None` if they cannot be read.
        read: Option<Read>,
        /// Each mistake.
        errors: Vec<String>,
    },
    /// It can be.
    Ready(Read, Box<Ready>),
    /// The same with other generations can be.
    Generations(Box<Ready>),
    /// The same with other ones of the images' roots can be.
    Roots(Box<Ready>),
    /// They cannot: why.
    NoRoots(String),
}

/// Everything that serving a configuration takes.
#[derive(Debug)]
pub(super) struct Ready {
    /// The digest of the configuration.
    pub(super) digest: u64,
    pub(super) catalog: CatalogSettings,
    pub(super) comparison: Comparison,
    /// What of it cannot take effect.
    pub(super) doubts: Vec<String>,
    /// What takes a restart.
    pub(super) restart: Vec<&'static str>,
    /// The images that are new or have changed.
    pub(super) images: Vec<ReadyImage>,
    /// The generations that are left out, by their images' names, each with why.
    pub(super) left_out: Vec<(String, String)>,
    /// The images whose latest root cannot be served, each with what is told of that.
    pub(super) not_served: Vec<(String, String)>,
}

/// An image that can be served.
#[derive(Debug)]
pub(super) struct ReadyImage {
    pub(super) image: Image,
    pub(super) files: BootFiles,
    /// Its root, if it has one.
    pub(super) root: Option<ReadyRoot>,
}

/// A root that is open.
#[derive(Debug)]
pub(super) struct ReadyRoot {
    pub(super) tree: Arc<RootTree>,
    pub(super) settings: RootSettings,
    pub(super) facts: Facts,
}

/// Prepares it.
pub(super) async fn prepare(job: Job, wanted: Wanted) -> Outcome {
    match wanted {
        Wanted::Configuration { known, again } => configuration(job, known, again).await,
        Wanted::Generations => generations_of(job).await,
        Wanted::Roots(changes) => roots(job, changes).await,
    }
}

/// What the files say now.
async fn configuration(job: Job, known: Option<Watched>, again: bool) -> Outcome {
    let Job {
        world,
        start,
        followed,
        digest: before,
        served,
        ..
    } = &job;
    let file = match world.file_helper.configuration(*before).await {
        Ok(file) => file,
        Err(error) => return wrong(None, error.to_string()),
    };
    let snapshot = match Snapshot::of_file(file) {
        Ok(snapshot) => snapshot,
        Err(error) => return wrong(None, error.to_string()),
    };
    let read = Read {
        watched: Watched::with(followed, &snapshot),
        digest: snapshot.digest(),
    };
    if known
        .as_ref()
        .is_some_and(|known| !known.has_all_of(&read.watched))
    {
        return Outcome::Unknown(read.watched);
    }
    let again = again && written_roots(served).any(|(_, root)| swaps::roots::is_fallen_back(root));
    if read.digest == *before && !again {
        return Outcome::Same(read);
    }
    let (settings, doubts) = match config_files::read(&snapshot, start) {
        Ok(read) => read,
        Err(mistakes) => {
            return Outcome::Wrong {
                errors: told(&mistakes),
                read: Some(read),
            };
        }
    };
    let digest = read.digest;
    match world.root_helper.configuration(digest, *before).await {
        Ok(()) => {}
        Err(HelperError::Failed { why }) => return Outcome::Again { digest, why },
        Err(error) => return wrong(Some(read), error.to_string()),
    }
    let mut catalog = settings.catalog.clone();
    if !again {
        fall_back_as_before(&mut catalog, served);
    }
    match job.ready(digest, catalog, Unserved::default()).await {
        Ok(ready) => Outcome::Ready(
            read,
            Box::new(Ready {
                doubts,
                restart: config_files::takes_restart(start, &settings),
                ..ready
            }),
        ),
        Err(error) => wrong(Some(read), error),
    }
}

/// The generations that the roots have now.
async fn generations_of(job: Job) -> Outcome {
    let written = generations::without(&job.served);
    match job.ready(job.digest, written, Unserved::default()).await {
        Ok(ready) => Outcome::Generations(Box::new(ready)),
        Err(error) => wrong(None, error),
    }
}

/// Other ones of the images' roots.
async fn roots(job: Job, changes: RootChanges) -> Outcome {
    let mut written = generations::without(&job.served);
    let unserved = change_roots(&mut written, &changes);
    match job.ready(job.digest, written, unserved).await {
        Ok(ready) => Outcome::Roots(Box::new(ready)),
        Err(error) => Outcome::NoRoots(error),
    }
}

/// The first mistakes: one causes others.
fn told(Mistakes(all): &Mistakes) -> Vec<String> {
    let mut told: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        told.push(format!(
            "{more} more mistakes; netroot check-config names all"
        ));
    }
    told
}

/// The generations that roots have.
pub(super) async fn found_in(trees: BTreeMap<PathBuf, Arc<RootTree>>) -> Found {
    let looked = tokio::task::spawn_blocking(move || {
        let trees = trees.into_iter();
        trees
            .map(|(directory, tree)| (directory, netroot_initramfs::generations(&tree)))
            .collect()
    });
    looked.await.unwrap_or_default()
}

fn wrong(read: Option<Read>, error: String) -> Outcome {
    Outcome::Wrong {
        read,
        errors: vec![error],
    }
}

impl Job {
    /// Opens what is new in a configuration, as it is `written`, and in its generations. An image whose root was swapped
    /// before, and cannot be served any more, has an earlier one.
    async fn ready(
        &self,
        digest: u64,
        mut written: CatalogSettings,
        mut unserved: Unserved,
    ) -> Result<Ready, String> {
        let comparison = Comparison::between(&self.served, &written);
        let mut images = Vec::new();
        let mut place = 0;
        while let Some(settings) = written.images.get(place).cloned() {
            let name = settings.name.clone().unwrap_or_default();
            let number = ImageNumber::of(digest, &written, place);
            let is_open = !comparison.opens(&name) || serves(&self.served, &settings);
            let opened = match is_open {
                true => Ok(None),
                false => self.image(number, &name, &settings).await.map(Some),
            };
            match opened {
                Ok(opened) => images.extend(opened),
                Err(error) => {
                    let instead = instead(&self.served, &settings, unserved.keep_served);
                    let instead = instead
                        .ok_or_else(|| format!("{}: the image {name}: {error}", settings.origin))?;
                    unserved.why.entry(name).or_insert(error);
                    if let Some(image) = written.images.get_mut(place) {
                        image.source = ImageSource::Root(instead);
                        continue;
                    }
                }
            }
            place += 1;
        }
        let not_served = unserved.told(&written);
        let found = self.generations(&written, &images).await;
        let whole = generations::with(&written, &found, &self.ordered, &self.served);
        let comparison = Comparison::between(&self.served, &whole);
        let mut left_out = Vec::new();
        for (place, settings) in whole.images.iter().enumerate() {
            let name = settings.name.clone().unwrap_or_default();
            if !generations::is_one(settings) || !comparison.opens(&name) {
                continue;
            }
            let number = ImageNumber::of(digest, &whole, place);
            match self.image(number, &name, settings).await {
                Ok(image) => images.push(image),
                // The others, and the configuration, do not wait for it.
                Err(error) => left_out.push((name, error)),
            }
        }
        let mut catalog = whole;
        let is_left_out = |image: &ImageSettings| {
            let name = image.name.as_deref();
            left_out.iter().any(|(left, _)| name == Some(left))
        };
        catalog.images.retain(|image| !is_left_out(image));
        Ok(Ready {
            digest,
            comparison: Comparison::between(&self.served, &catalog),
            catalog,
            doubts: Vec::new(),
            restart: Vec::new(),
            images,
            left_out,
            not_served,
        })
    }

    /// The generations of the roots that are served, and of those that have just been opened.
    async fn generations(&self, written: &CatalogSettings, opened: &[ReadyImage]) -> Found {
        let mut trees = BTreeMap::new();
        for directory in generations::directories(written) {
            let mut roots = opened.iter().filter_map(|ready| ready.root.as_ref());
            let root = roots.find(|root| root.tree.path() == directory);
            let tree = root.map(|root| &root.tree).or(self.trees.get(&directory));
            if let Some(tree) = tree {
                trees.insert(directory, Arc::clone(tree));
            }
        }
        found_in(trees).await
    }
}
