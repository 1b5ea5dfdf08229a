//! From the configuration's files to everything that serving what they say takes: read, opened and built beside what is
//! served, which does not notice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use netroot_initramfs::RootTree;

use super::boot_files::{Kept, built_initrd, kept_initrd};
use super::configured::Read;
use super::image_files;
use super::open_root::open_root;
use super::world::World;
use crate::catalog::Image;
use crate::config::Mistakes;
use crate::error_chain::with_causes;
use crate::generations::{self, Found};
use crate::serve::artifacts::{BootFiles, Content, raspberry_pi};
use crate::serve::config_files::{self, Comparison, FollowedPaths, Snapshot, Watched};
use crate::serve::events::Event;
use crate::serve::opened::root::{OpenRoot, OpenRootError};
use crate::serve::privileged_helper::{HelperError, ImageNumber};
use crate::serve::root_facts::Facts;
use crate::settings::{CatalogSettings, ImageSettings, InitrdSource, RootSettings, Settings};

/// How many mistakes of a configuration are told, a line each; `netroot check-config` tells all.
pub(super) const SHOWN: usize = 12;

/// What is to be prepared.
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
    /// The files that have been looked at for long enough; `None` for any.
    pub(super) known: Option<Watched>,
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

/// Prepares what the files say now.
pub(super) async fn prepare(job: Job) -> Outcome {
    let Job {
        world,
        start,
        followed,
        digest: before,
        known,
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
    if read.digest == *before {
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
    match job.ready(digest, settings.catalog.clone()).await {
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

/// Prepares the generations that the roots have now, of a configuration that has not changed.
pub(super) async fn prepare_generations(job: Job) -> Outcome {
    match job
        .ready(job.digest, generations::without(&job.served))
        .await
    {
        Ok(ready) => Outcome::Generations(Box::new(ready)),
        Err(error) => wrong(None, error),
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

/// A root's directory, and what was found in it.
struct Opened {
    image: Image,
    kernel: Content,
    initrd: Kept,
    linux: String,
    root: ReadyRoot,
}

impl Job {
    /// Opens what is new in a configuration, as it is `written`, and in its generations.
    async fn ready(&self, digest: u64, written: CatalogSettings) -> Result<Ready, String> {
        let comparison = Comparison::between(&self.served, &written);
        let mut images = Vec::new();
        for (place, settings) in written.images.iter().enumerate() {
            let name = settings.name.clone().unwrap_or_default();
            if !comparison.opens(&name) {
                continue;
            }
            let number = ImageNumber::of(digest, &written, place);
            let image = self.image(number, &name, settings).await;
            let origin = &settings.origin;
            images.push(image.map_err(|error| format!("{origin}: the image {name}: {error}"))?);
        }
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

    async fn image(
        &self,
        number: ImageNumber,
        name: &str,
        settings: &ImageSettings,
    ) -> Result<ReadyImage, String> {
        let Some(root) = settings.source.root() else {
            return self.files(number, settings).await;
        };
        let opened = self.open(number, name, settings, root).await?;
        let initrd = match opened.initrd {
            Kept::Found(initrd) => initrd,
            Kept::Absent(fingerprint) => {
                let builds = match &root.initrd {
                    InitrdSource::Build { modules, .. } => Some(modules.clone()),
                    InitrdSource::File(_) => None,
                };
                if let Some(modules) = builds {
                    self.builds.store(true, Ordering::Relaxed);
                    let linux = opened.linux;
                    let event = Event::InitrdBuilding { linux, modules };
                    self.world.timeline.server(event);
                }
                let built = built_initrd(&self.world.file_helper, number, fingerprint).await;
                self.builds.store(false, Ordering::Relaxed);
                let (initrd, notes) = built?;
                for note in notes {
                    self.world.timeline.server(Event::InitrdNote { note });
                }
                initrd
            }
        };
        let files = BootFiles::of_root(opened.kernel, initrd);
        Ok(ReadyImage {
            image: opened.image.tagged(files.tag()),
            files,
            root: Some(opened.root),
        })
    }

    /// Opens the files of an image that is no root.
    async fn files(
        &self,
        number: ImageNumber,
        settings: &ImageSettings,
    ) -> Result<ReadyImage, String> {
        let (image, files) = image_files::open(&self.world, number, settings).await?;
        Ok(ReadyImage {
            image,
            files,
            root: None,
        })
    }

    /// Opens the directory and its kernel, and looks for the initrd.
    async fn open(
        &self,
        number: ImageNumber,
        name: &str,
        settings: &ImageSettings,
        root: &RootSettings,
    ) -> Result<Opened, String> {
        let tree = open_root(&self.world.root_helper, (number, 0), &root.directory).await?;
        let (name, settings, root) = (name.to_owned(), settings.clone(), root.clone());
        let (cache, nfs_port) = (self.cache.clone(), self.start.nfs_port);
        let artifacts = Arc::clone(&self.world.artifacts);
        let opened = tokio::task::spawn_blocking(move || {
            let exported = root.nfsroot.is_none();
            let firmware = exported && raspberry_pi::of_open_root(&tree).is_some();
            let open = OpenRoot::in_tree(&settings, &root, name, tree)?;
            let image = open.image(nfs_port, artifacts.loaders(firmware));
            let (tree, kernel) = (open.root(), open.kernel()?);
            let initrd = kept_initrd(&tree, open.chosen(), &root, &cache);
            let linux = open.chosen().version.clone();
            let facts = open.facts();
            Ok(Opened {
                image,
                kernel,
                initrd,
                linux,
                root: ReadyRoot {
                    tree,
                    settings: root.clone(),
                    facts,
                },
            })
        });
        let opened = opened.await.map_err(|error| error.to_string())?;
        opened.map_err(|error: OpenRootError| with_causes(&error))
    }
}
