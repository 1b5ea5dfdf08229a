//! Has what is to be served prepared, beside what is served.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use netroot_initramfs::RootTree;

use super::RootWatch;
use super::configured::Preparing;
use super::generation_watch::Names;
use super::prepare::{Job, Wanted, prepare};
use super::root::Root;
use crate::serve::config_files::Stamps;

impl RootWatch {
    /// The directories that are served and are at their paths.
    pub(super) fn trees(&self) -> BTreeMap<PathBuf, Arc<RootTree>> {
        let roots = self.roots.iter().filter(|root| Root::is_at_its_path(root));
        let trees = roots.map(|root| (root.directory().to_owned(), root.tree()));
        trees.collect()
    }

    /// The images that machines are ordered to boot.
    pub(super) fn ordered(&self) -> Names {
        let ordered = self.world.timeline.machines().orders().images();
        ordered.into_iter().map(|(_, image)| image).collect()
    }

    /// Prepares what is wanted, while the files are as `stamps` say (`None`: as they are served); `asked` if somebody waits
    /// for it.
    pub(super) fn prepare(&mut self, wanted: Wanted, stamps: Option<Stamps>, asked: bool) {
        let (trees, ordered) = (self.trees(), self.ordered());
        let Some(configured) = &mut self.configured else {
            return;
        };
        let builds = Arc::<AtomicBool>::default();
        let job = Job {
            world: self.world.clone(),
            cache: self.cache.clone(),
            start: Arc::clone(&configured.start),
            followed: configured.followed.clone(),
            served: configured.catalog.clone(),
            digest: configured.digest,
            trees,
            ordered,
            builds: Arc::clone(&builds),
        };
        configured.preparing = Some(Preparing {
            stamps: stamps.unwrap_or_else(|| configured.served.clone()),
            asked,
            builds,
        });
        let done = self.preparing.clone();
        tokio::spawn(async move {
            let _ = done.send(prepare(job, wanted).await);
        });
    }
}
