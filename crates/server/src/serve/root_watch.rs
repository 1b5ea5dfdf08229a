//! Follows the roots while they are served: their directories, their newest kernels with the initrds for them, and the boot
//! loaders.
//!
//! ```text
//! root → Facts → Step        serve::root_facts (looking), settling (deciding; pure)
//! Step → what is served      exchange, root: the helper opens and builds, the store and the export are given the result
//! configuration → Outcome    configured, reconfigure (when its files count), prepare (the helpers read, open and build)
//! root → Outcome             generations (when others count), swapped_roots (when one is gone, or is back), prepare
//! Outcome → what is served   apply: all at once, or nothing
//! who runs from what         let_go: what was a root is closed when its last machine is gone
//! who asks → is answered     askers; nic, nic_queue, nic_build (the initrd for the asking machine's network card)
//! ```
//!
//! A root's directory is exchanged at once: a rename is whole. A kernel is exchanged once the root is quiet and its initrd
//! is built beside the old one. Until then, and where that fails, everything stays as it was, and one line says why.

mod apply;
mod askers;
mod boot_files;
mod configured;
mod exchange;
mod fall_back;
mod followed;
mod generation_watch;
mod generations;
mod image;
mod image_files;
mod let_go;
mod loader_files;
mod nic;
mod nic_build;
mod nic_queue;
mod open_root;
mod preparation;
mod prepare;
mod reconfigure;
mod root;
mod settling;
mod swap_watch;
mod swapped_roots;
mod world;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use self::askers::Askers;
pub(crate) use self::configured::Configured;
use self::generation_watch::GenerationWatch;
use self::image::{Built, Image, found, kept};
use self::image_files::FollowedFiles;
use self::loader_files::LoaderFiles;
use self::nic_build::NicBuilt;
use self::nic_queue::NicQueue;
use self::prepare::Outcome;
use self::root::{Places, Root, RootChange};
use self::settling::{Obstacle, Step};
use self::swap_watch::SwapWatch;
use crate::serve::events::{Change, Event, Warning};
use crate::serve::look_requests::{Asked, LookRequest};
use crate::serve::root_facts::{Facts, has_lost_modules, look};
use crate::settings::Generations;
use crate::swaps;

pub(crate) use self::followed::{FollowedImage, FollowedRoots};
pub(crate) use self::world::World;

/// How often the roots and the configuration are looked at.
const EVERY: Duration = Duration::from_secs(4);
/// How often while something has just changed.
const SOON: Duration = Duration::from_millis(500);
/// The shortest time between two looks for machines that ask.
const FRESH: Duration = Duration::from_millis(100);
/// How often exports that were replaced are looked at.
const REPLACED: Duration = Duration::from_secs(60);

/// The task that follows the roots.
#[derive(Debug)]
pub(crate) struct RootWatch {
    world: World,
    roots: Vec<Root>,
    images: Vec<Image>,
    /// The images without a root.
    files: Vec<FollowedFiles>,
    /// The id of the next image.
    next: u64,
    places: Places,
    /// The configuration, if there is one to follow.
    configured: Option<Configured>,
    loaders: LoaderFiles,
    /// Where initrds are kept.
    cache: PathBuf,
    asked: Asked,
    built: mpsc::UnboundedReceiver<Built>,
    building: mpsc::UnboundedSender<Built>,
    prepared: mpsc::UnboundedReceiver<Outcome>,
    preparing: mpsc::UnboundedSender<Outcome>,
    /// The initrds for one network card that are to be made.
    nics: NicQueue,
    built_nics: mpsc::UnboundedReceiver<NicBuilt>,
    building_nics: mpsc::UnboundedSender<NicBuilt>,
    askers: Askers,
    generations: GenerationWatch,
    swaps: SwapWatch,
}

impl RootWatch {
    /// Follows all this from now on, and at once for who asks.
    pub(crate) fn new(world: World, followed: FollowedRoots, asked: Asked) -> Self {
        let FollowedRoots {
            roots,
            images,
            files,
            loaders,
            cache,
            places,
            configured,
        } = followed;
        let (building, built) = mpsc::unbounded_channel();
        let (preparing, prepared) = mpsc::unbounded_channel();
        let images: Vec<Image> = (0..)
            .zip(images)
            .map(|(id, followed)| Image::new(id, followed))
            .collect();
        let (building_nics, built_nics) = mpsc::unbounded_channel();
        Self {
            world,
            roots,
            next: u64::try_from(images.len()).unwrap_or(u64::MAX),
            images,
            files,
            places,
            configured,
            prepared,
            preparing,
            loaders: LoaderFiles::new(loaders),
            cache,
            asked,
            built,
            building,
            nics: NicQueue::default(),
            built_nics,
            building_nics,
            askers: Askers::default(),
            generations: GenerationWatch::default(),
            swaps: SwapWatch::default(),
        }
    }

    /// Looks until the runtime ends; at once at each `hangup`.
    pub(crate) async fn run(mut self, mut hangup: Signal) -> io::Result<()> {
        let mut looked = Instant::now();
        let mut replaced = Instant::now();
        loop {
            let pause = match self.is_settled() {
                true => EVERY,
                false => SOON,
            };
            let mut due = false;
            tokio::select! {
                asked = self.asked.next() => match asked {
                    Some(LookRequest::Nic(request)) => {
                        self.take_nic(request);
                        continue;
                    }
                    Some(asked) => due |= self.take(asked),
                    // Nobody can ask any more: the server ends.
                    None => return Ok(()),
                },
                Some(built) = self.built.recv() => {
                    self.take_built(built).await;
                    due = true;
                }
                Some(outcome) = self.prepared.recv() => {
                    self.take_prepared(outcome).await;
                    due = true;
                }
                Some(built) = self.built_nics.recv() => {
                    self.take_nic_built(built).await;
                    continue;
                }
                _ = hangup.recv() => {
                    self.reload();
                    due = true;
                }
                () = tokio::time::sleep(pause.saturating_sub(looked.elapsed())) => due = true,
            }
            if !due {
                // Many machines ask at once, and each is told what was found after it asked.
                tokio::time::sleep(FRESH.saturating_sub(looked.elapsed())).await;
            }
            while let Some(asked) = self.asked.waiting() {
                self.take(asked);
            }
            looked = Instant::now();
            self.look().await;
            self.asked.has_looked();
            if replaced.elapsed() >= REPLACED {
                replaced = Instant::now();
                self.release_replaced();
                self.let_go_of_trees().await;
            }
            self.askers.answer(self.is_broken(), self.is_settled());
        }
    }

    /// Whether it has to be looked at, however lately that was done.
    fn take(&mut self, asked: LookRequest) -> bool {
        match asked {
            LookRequest::Look { settled, done } => {
                self.askers.wait(settled, done);
                // Who mounts has seen that another directory is there.
                !settled
            }
            LookRequest::Nic(request) => {
                self.take_nic(request);
                false
            }
            LookRequest::Reload(told) => {
                self.askers.reload(told);
                self.reload();
                true
            }
        }
    }

    /// Everything is tried again, and initrds are made anew if more has changed than is looked at.
    fn reload(&mut self) {
        self.forget_failures();
        if let Some(configured) = &mut self.configured {
            configured.ask();
        }
        for image in 0..self.images.len() {
            self.start_build(image);
        }
    }

    fn forget_failures(&mut self) {
        for image in &mut self.images {
            image.settling.forget_failures();
        }
        for root in &mut self.roots {
            root.forget_failures();
        }
        for files in &mut self.files {
            files.forget_failures();
        }
        self.loaders.forget_failures();
        self.generations.forget_failures();
        self.swaps.forget_failures();
    }

    fn is_settled(&self) -> bool {
        let unsettled = |image: &Image| image.settling.is_unsettled() || image.building.is_some();
        let configured = self.configured.as_ref();
        !self.images.iter().any(unsettled)
            && self.files.iter().all(FollowedFiles::is_settled)
            && self.loaders.is_settled()
            && self.generations.is_settled()
            && self.swaps.is_settled()
            && configured.is_none_or(Configured::is_settled)
    }

    /// Whether what is served cannot work or is not what is configured, and is about to be exchanged.
    fn is_broken(&self) -> bool {
        let configured = self.configured.as_ref();
        configured.is_some_and(Configured::is_about_to_change)
            || self.generations.is_one_gone() && !self.generations.is_settled()
            || !self.swaps.is_settled()
            || self.images.iter().any(|image| {
                image.modules_gone && (image.settling.is_unsettled() || image.building.is_some())
            })
    }

    fn say(&mut self, event: Event) {
        self.askers.tell(&event);
        self.world.timeline.server(event);
    }

    async fn look(&mut self) {
        self.look_at_configuration().await;
        for number in 0..self.roots.len() {
            self.look_at_root(number).await;
        }
        self.look_at_generations().await;
        for number in 0..self.images.len() {
            self.look_at_image(number).await;
        }
        self.look_at_swaps().await;
        let mut changes = self.loaders.look(&self.world).await;
        for files in &mut self.files {
            changes.extend(files.look(&self.world).await);
        }
        for change in changes {
            self.say(change);
        }
    }

    async fn look_at_root(&mut self, number: usize) {
        let Some(root) = self.roots.get_mut(number) else {
            return;
        };
        let change = root.look(&self.world).await;
        let directory = root.directory().to_owned();
        let below = root.take_below();
        match change {
            RootChange::None | RootChange::Mounts => {}
            RootChange::Replaced => {
                self.say(Event::Change(Change::RootReplaced { root: directory }))
            }
            RootChange::Gone => self.say(Event::Warning(Warning::RootGone { root: directory })),
            RootChange::NotFollowed(error) => {
                let root = directory;
                self.say(Event::Warning(Warning::RootNotFollowed { root, error }));
            }
        }
        if let Some(below) = below {
            self.say(Event::Warning(Warning::Submounts(below)));
        }
    }

    /// What is in an image's root now.
    async fn facts(&self, number: usize) -> Option<(Facts, bool)> {
        let image = self.images.get(number)?;
        let root = self.roots.get(image.followed.root)?.tree();
        let settings = image.followed.settings.clone();
        let served = image.followed.served.kernel.clone().ok();
        let looked = tokio::task::spawn_blocking(move || {
            let gone = served.is_some_and(|served| has_lost_modules(&root, &served));
            (look(&root, &settings), gone)
        });
        looked.await.ok()
    }

    async fn look_at_image(&mut self, number: usize) {
        let Some((facts, modules_gone)) = self.facts(number).await else {
            return;
        };
        let Some(image) = self.images.get_mut(number) else {
            return;
        };
        let generations = image.followed.settings.generations;
        if matches!(generations, Generations::One(_)) && facts.kernel.is_err() {
            // It was deleted: its image goes.
            return;
        }
        image.modules_gone = modules_gone;
        image.no_kernel = facts.kernel.as_ref().err().cloned();
        if image.no_kernel.is_some() && swaps::roots::earlier(&image.followed.settings).is_some() {
            // An earlier root is booted instead.
            return;
        }
        let root = self.roots.get(image.followed.root);
        if image.building.is_some() || !root.is_some_and(Root::is_at_its_path) {
            return;
        }
        let served = &image.followed.served;
        let step = image.settling.after_look(served, &facts, Instant::now());
        match step {
            Step::Nothing | Step::LookAgain => {}
            Step::Keep(obstacle) => {
                let error = match obstacle {
                    Obstacle::NoKernel(why) => why,
                    Obstacle::NoModules(version) => format!(
                        "kernel {version} has no modules in the root (modules.dep is not there)"
                    ),
                };
                let kept = kept(image, error);
                self.say(kept);
            }
            Step::Exchange => {
                if let Some(found) = found(image, &facts) {
                    self.say(Event::Change(found));
                }
                self.start_build_for(number, facts);
            }
        }
    }

    /// Closes exports that were replaced and that nobody uses.
    fn release_replaced(&mut self) {
        let Some(nfs) = self.world.nfs.clone() else {
            return;
        };
        for replaced in nfs.replaced() {
            if !root::is_unused(&replaced) {
                continue;
            }
            nfs.release(&replaced);
            let of = |root: &&Root| root.has_name_of(&replaced);
            if let Some(root) = self.roots.iter().find(of) {
                let root = root.directory().to_owned();
                self.say(Event::Change(Change::RootReleased { root }));
            }
        }
    }
}
