//! Follows the roots while they are served: their directories, their newest kernels with the initrds for them, and the boot
//! loaders.
//!
//! ```text
//! root → Facts → Step        facts (looking), settling (deciding; pure)
//! Step → what is served      this task: the helper opens and builds, the store and the export are given the result
//! ```
//!
//! A root's directory is exchanged at once: a rename is whole. A kernel is exchanged once the root is quiet and its initrd
//! is built beside the old one. Until then, and where that fails, everything stays as it was, and one line says why.

mod boot_files;
pub(crate) mod facts;
mod followed;
mod loader_files;
mod root;
mod settling;
mod world;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netroot_initramfs::compare_versions;
use netroot_printable::Printable;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use self::boot_files::{Kept, built_initrd, kept_initrd, open_kernel};
use self::facts::{Facts, has_lost_modules, look};
use self::loader_files::LoaderFiles;
use self::root::{Root, RootChange};
use self::settling::{Obstacle, Settling, Step};
use crate::catalog::{InitrdSource, KernelFile};
use crate::serve::artifacts::{BootFiles, Content};
use crate::serve::events::{Age, Change, Event, Warning};
use crate::serve::looks::{LookRequest, Told};

pub(crate) use self::followed::{FollowedImage, FollowedRoots};
pub(crate) use self::world::World;

/// How often the roots are looked at.
const EVERY: Duration = Duration::from_secs(4);
/// How often while something has just changed.
const SOON: Duration = Duration::from_millis(500);
/// The shortest time between two looks for machines that ask.
const FRESH: Duration = Duration::from_millis(100);
/// How often exports that were replaced are looked at.
const REPLACED: Duration = Duration::from_secs(60);
/// How many machines wait for an exchange.
const WAITING: usize = 1024;

/// The task that follows the roots.
#[derive(Debug)]
pub(crate) struct RootWatch {
    world: World,
    roots: Vec<Root>,
    images: Vec<Image>,
    loaders: LoaderFiles,
    /// Where initrds are kept.
    cache: PathBuf,
    asked: mpsc::Receiver<LookRequest>,
    built: mpsc::UnboundedReceiver<Built>,
    building: mpsc::UnboundedSender<Built>,
    /// Machines that wait for an exchange.
    waiting: Vec<Waiting>,
    reloads: Vec<mpsc::UnboundedSender<Told>>,
    /// How much has changed since the first of these.
    changes: usize,
}

#[derive(Debug)]
struct Image {
    followed: FollowedImage,
    settling: Settling,
    /// The modules of the kernel that is served are no longer in the root.
    modules_gone: bool,
    /// What an initrd is being built for.
    building: Option<Facts>,
}

struct Waiting {
    /// Until what cannot work any more has been exchanged.
    settled: bool,
    done: Box<dyn FnOnce() + Send + Sync>,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

/// The end of a build.
#[derive(Debug)]
struct Built {
    /// The image's place in the list.
    image: usize,
    facts: Facts,
    initrd: Result<(Content, Vec<String>), String>,
}

impl RootWatch {
    /// Follows all this from now on, and at once for who asks.
    pub(crate) fn new(
        world: World,
        followed: FollowedRoots,
        asked: mpsc::Receiver<LookRequest>,
    ) -> Self {
        let FollowedRoots {
            roots,
            images,
            loaders,
            cache,
            ..
        } = followed;
        let (building, built) = mpsc::unbounded_channel();
        let image = |followed| Image {
            followed,
            settling: Settling::default(),
            modules_gone: false,
            building: None,
        };
        Self {
            world,
            roots,
            images: images.into_iter().map(image).collect(),
            loaders: LoaderFiles::new(loaders),
            cache,
            asked,
            built,
            building,
            waiting: Vec::new(),
            reloads: Vec::new(),
            changes: 0,
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
                asked = self.asked.recv() => match asked {
                    Some(asked) => due |= self.take(asked),
                    // Nobody can ask any more: the server ends.
                    None => return Ok(()),
                },
                Some(built) = self.built.recv() => {
                    self.take_built(built).await;
                    due = true;
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
            while let Ok(asked) = self.asked.try_recv() {
                self.take(asked);
            }
            looked = Instant::now();
            self.look().await;
            if replaced.elapsed() >= REPLACED {
                replaced = Instant::now();
                self.release_replaced();
            }
            self.answer();
        }
    }

    /// Whether it has to be looked at, however lately that was done.
    fn take(&mut self, asked: LookRequest) -> bool {
        match asked {
            LookRequest::Look { settled, done } => {
                if self.waiting.len() < WAITING {
                    self.waiting.push(Waiting { settled, done });
                }
                // Who mounts has seen that another directory is there.
                !settled
            }
            LookRequest::Reload(told) => {
                self.changes = 0;
                self.reloads.push(told);
                self.reload();
                true
            }
        }
    }

    /// Everything is tried again, and initrds are made anew if more has changed than is looked at.
    fn reload(&mut self) {
        self.forget_failures();
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
        self.loaders.forget_failures();
    }

    fn is_settled(&self) -> bool {
        let unsettled = |image: &Image| image.settling.is_unsettled() || image.building.is_some();
        !self.images.iter().any(unsettled) && self.loaders.is_settled()
    }

    /// Whether what is served cannot work, and is about to be exchanged.
    fn is_broken(&self) -> bool {
        self.images.iter().any(|image| {
            image.modules_gone && (image.settling.is_unsettled() || image.building.is_some())
        })
    }

    fn answer(&mut self) {
        let is_broken = self.is_broken();
        let (waiting, answered) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.settled && is_broken);
        self.waiting = waiting;
        for Waiting { done, .. } in answered {
            done();
        }
        if self.is_settled() {
            let changes = self.changes;
            for reload in self.reloads.drain(..) {
                let _ = reload.send(Told::Done { changes });
            }
        }
    }

    fn say(&mut self, event: Event) {
        let is_change = matches!(
            &event,
            Event::Change(
                Change::RootReplaced { .. }
                    | Change::NewBoots { .. }
                    | Change::LoaderReplaced { .. }
            )
        );
        self.changes += usize::from(is_change);
        for reload in &self.reloads {
            let _ = reload.send(Told::Line {
                text: Printable(&event.to_string()).to_string(),
                is_warning: matches!(event, Event::Warning(_)),
            });
        }
        self.world.timeline.server(event);
    }

    async fn look(&mut self) {
        for number in 0..self.roots.len() {
            self.look_at_root(number).await;
        }
        for number in 0..self.images.len() {
            self.look_at_image(number).await;
        }
        let changes = self.loaders.look(&self.world).await;
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
        image.modules_gone = modules_gone;
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

    /// Finds or builds the initrd of what is served already, in which more may have changed than is looked at.
    fn start_build(&mut self, number: usize) {
        let image = self.images.get(number);
        let idle = image.filter(|image| {
            let root = self.roots.get(image.followed.root);
            image.building.is_none() && root.is_some_and(Root::is_at_its_path)
        });
        if let Some(facts) = idle.map(|image| image.followed.served.clone()) {
            self.start_build_for(number, facts);
        }
    }

    fn start_build_for(&mut self, number: usize, facts: Facts) {
        let Some(image) = self.images.get_mut(number) else {
            return;
        };
        let (Some(root), Ok(found)) = (self.roots.get(image.followed.root), &facts.kernel) else {
            return;
        };
        image.building = Some(facts.clone());
        let (tree, kernel) = (root.tree(), found.kernel.clone());
        let (helper, done) = (Arc::clone(&self.world.file_helper), self.building.clone());
        let (settings, cache) = (image.followed.settings.clone(), self.cache.clone());
        let in_settings = image.followed.number;
        tokio::spawn(async move {
            let look = move || kept_initrd(&tree, &kernel, &settings, &cache);
            let initrd = match tokio::task::spawn_blocking(look).await {
                Ok(Kept::Found(content)) => Ok((content, Vec::new())),
                Ok(Kept::Absent(fingerprint)) => {
                    built_initrd(&helper, in_settings, fingerprint).await
                }
                Err(error) => Err(error.to_string()),
            };
            let _ = done.send(Built {
                image: number,
                facts,
                initrd,
            });
        });
    }

    /// Serves what was built, unless the root has changed meanwhile.
    async fn take_built(&mut self, built: Built) {
        let Built {
            image: number,
            facts,
            initrd,
        } = built;
        let now = self.facts(number).await;
        let Some(image) = self.images.get_mut(number) else {
            return;
        };
        image.building = None;
        if now.is_none_or(|(now, _)| now != facts) {
            return;
        }
        let exchanged = match initrd {
            Ok((initrd, notes)) => self.exchange(number, &facts, initrd, &notes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = exchanged
            && let Some(image) = self.images.get_mut(number)
        {
            image.settling.done_with(facts);
            let kept = kept(image, error);
            self.say(kept);
        }
    }

    async fn exchange(
        &mut self,
        number: usize,
        facts: &Facts,
        initrd: Content,
        notes: &[String],
    ) -> Result<(), String> {
        let (Some(image), Ok(found)) = (self.images.get(number), &facts.kernel) else {
            return Ok(());
        };
        let Some(root) = self.roots.get(image.followed.root) else {
            return Ok(());
        };
        let (tree, found, name) = (root.tree(), found.clone(), image.followed.name.clone());
        let path = tree.host_path(&found.kernel.path);
        let opened = {
            let found = found.clone();
            tokio::task::spawn_blocking(move || open_kernel(&tree, &found)).await
        };
        let kernel = opened.map_err(|error| error.to_string())??;
        let files = BootFiles { kernel, initrd };
        let tag = files.tag();
        let catalog = self.world.artifacts.catalog();
        let Some(before) = catalog.images().find(|one| one.name == name) else {
            return Ok(());
        };
        let mut new = before.tagged(tag);
        if new.tag == before.tag {
            // The same kernel and the same initrd.
            self.serve_facts(number, facts);
            return Ok(());
        }
        let linux = found.kernel.version.clone();
        new.kernel = KernelFile {
            version: linux.clone(),
            path,
            start: found.kernel.start.clone(),
        };
        self.world.artifacts.put_image(new, files);
        self.serve_facts(number, facts);
        for note in notes {
            let note = note.clone();
            self.say(Event::InitrdNote { note });
        }
        self.say(Event::Change(Change::NewBoots { image: name, linux }));
        Ok(())
    }

    fn serve_facts(&mut self, number: usize, facts: &Facts) {
        if let Some(image) = self.images.get_mut(number) {
            image.followed.served = facts.clone();
            image.settling = Settling::default();
            image.modules_gone = false;
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

fn kept(image: &Image, error: String) -> Event {
    Event::Warning(Warning::KernelKept {
        image: image.followed.name.clone(),
        linux: served_version(image),
        modules_gone: image.modules_gone,
        error,
    })
}

fn served_version(image: &Image) -> String {
    let served = image.followed.served.kernel.as_ref();
    served.map_or_else(|_| String::new(), |found| found.kernel.version.clone())
}

/// The line about a kernel for which an initrd is built; nothing is built where it is given.
fn found(image: &Image, facts: &Facts) -> Option<Change> {
    if matches!(image.followed.settings.initrd, InitrdSource::File(_)) {
        return None;
    }
    let linux = facts.kernel.as_ref().ok()?.kernel.version.clone();
    let served = served_version(image);
    let age = match compare_versions(&linux, &served) {
        std::cmp::Ordering::Greater => Age::Newer,
        std::cmp::Ordering::Less => Age::Older,
        std::cmp::Ordering::Equal => Age::Same,
    };
    Some(Change::KernelFound {
        image: image.followed.name.clone(),
        linux,
        served,
        age,
        modules_gone: image.modules_gone,
    })
}
