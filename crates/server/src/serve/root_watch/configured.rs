//! When a change of the configuration's files counts, and what becomes of it.
//!
//! A file may be written while it is read. So a change counts once two looks, [`QUIET`] apart, have found the same; a file that
//! was not known at the first reading is looked at this long before it is read again. Who asks (`netroot reload`, SIGHUP)
//! says that all is written.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netroot_nfs_export::ExportOptions;

use super::settling::Quiet;
use crate::catalog::Catalog;
use crate::serve::config_files::{FollowedPaths, Stamps, Watched};
use crate::serve::nfs::Terms;
use crate::settings::{CatalogSettings, Settings};

/// How long nothing may have changed before the files are read.
pub(super) const QUIET: Duration = Duration::from_millis(900);
/// How often a configuration that changes while it is read is read again before that is told.
pub(super) const MOST_ATTEMPTS: u8 = 5;

/// The configuration as it is served, and its files.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(super) start: Arc<Settings>,
    pub(super) followed: FollowedPaths,
    /// What is served.
    pub(super) catalog: CatalogSettings,
    /// The digest of the files that say so; 0 for what the server started with.
    pub(super) digest: u64,
    /// How each directory is exported, and what all exports have in common.
    pub(super) exports: Vec<(PathBuf, ExportOptions)>,
    pub(super) terms: Option<Terms>,
    pub(super) watched: Watched,
    /// What the files were when what is served was read.
    pub(super) served: Stamps,
    pub(super) quiet: Quiet<Stamps>,
    pub(super) preparing: Option<Preparing>,
    /// How often in a row it has changed while it was read.
    pub(super) attempts: u8,
    /// Somebody asks for a look at once.
    pub(super) asked: bool,
    /// And for roots that cannot be served to be tried again.
    pub(super) again: bool,
    /// The digest of what could not be served, and has been told.
    refused: Option<u64>,
    /// Something was told to be wrong since the files were last served as they are.
    wrong: bool,
    /// What has been told not to take effect.
    pub(super) doubts: Vec<String>,
    /// What has been told to take a restart.
    pub(super) restart: Vec<&'static str>,
}

/// A change that is being prepared.
#[derive(Debug)]
pub(super) struct Preparing {
    pub(super) stamps: Stamps,
    pub(super) asked: bool,
    /// Whether an initrd is being built, which takes a while.
    pub(super) builds: Arc<AtomicBool>,
}

/// The files that were read.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) watched: Watched,
    pub(super) digest: u64,
}

impl Configured {
    /// What is served from the start on.
    pub(crate) fn new(
        settings: &Settings,
        catalog: &Catalog,
        exports: Vec<(PathBuf, ExportOptions)>,
        terms: Option<Terms>,
    ) -> Self {
        let followed = FollowedPaths::of(settings);
        let watched = Watched::new(&followed);
        let mut named = settings.clone();
        for (image, served) in named.catalog.images.iter_mut().zip(catalog.images()) {
            image.name = Some(served.name.clone());
        }
        Self {
            catalog: named.catalog.clone(),
            start: Arc::new(named),
            followed,
            digest: 0,
            exports,
            terms,
            served: watched.look(),
            watched,
            quiet: Quiet::default(),
            preparing: None,
            attempts: 0,
            // What has changed since the files were read at the start.
            asked: true,
            again: false,
            refused: None,
            wrong: false,
            doubts: Vec::new(),
            restart: Vec::new(),
        }
    }

    /// What is wrong in the files as they are has been told.
    pub(crate) fn is_as_told(&mut self) {
        self.wrong = true;
        self.asked = false;
    }

    /// Everything is read at the next look.
    pub(super) fn ask(&mut self) {
        self.asked = true;
        self.again = true;
        self.refused = None;
        self.quiet.forget_failures();
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.asked && self.preparing.is_none() && !self.quiet.is_unsettled()
    }

    /// Whether what machines boot is about to change, within seconds.
    pub(super) fn is_about_to_change(&self) -> bool {
        let soon = |preparing: &Preparing| !preparing.builds.load(Ordering::Relaxed);
        self.quiet.is_unsettled() || self.preparing.as_ref().is_some_and(soon)
    }

    /// Nothing is different from what is served: whether something was wrong before.
    pub(super) fn is_as_served(&mut self, read: Read, stamps: Stamps) -> bool {
        if read.watched.has_all_of(&self.watched) && self.watched.has_all_of(&read.watched) {
            self.served = stamps;
        }
        self.watched = read.watched;
        self.digest = read.digest;
        self.refused = None;
        self.attempts = 0;
        std::mem::take(&mut self.wrong)
    }

    /// Whether that what cannot be served has been told already.
    pub(super) fn is_told(&mut self, digest: u64, stamps: Stamps) -> bool {
        self.quiet.done_with(stamps);
        self.attempts = 0;
        self.wrong = true;
        self.refused.replace(digest) == Some(digest)
    }
}
