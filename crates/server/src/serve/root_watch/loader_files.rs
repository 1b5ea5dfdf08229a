//! The boot loaders' files: a package of iPXE is upgraded, or installed at last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::settling::{Counts, Quiet};
use super::world::World;
use crate::serve::artifacts::{Content, loaders, signed_ipxe};
use crate::serve::events::{Change, Event, Warning};
use crate::serve::root_facts::Stamp;

type Stamps = BTreeMap<&'static str, Stamp>;

/// The files that are served, and what they were.
#[derive(Debug)]
pub(super) struct LoaderFiles {
    /// `--ipxe`.
    folder: Option<PathBuf>,
    served: Stamps,
    quiet: Quiet<Stamps>,
}

impl LoaderFiles {
    /// Those of `folder`, or where packages install them, as they are now.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            served: stamps(folder.clone()),
            folder,
            quiet: Quiet::default(),
        }
    }

    pub(super) fn forget_failures(&mut self) {
        self.quiet.forget_failures();
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.quiet.is_unsettled()
    }

    /// Serves what has been exchanged. Returns what to tell.
    pub(super) async fn look(&mut self, world: &World) -> Vec<Event> {
        let folder = self.folder.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || stamps(folder)).await else {
            return Vec::new();
        };
        // One that is removed is served on: it is open.
        let gone: Stamps = self
            .served
            .iter()
            .filter(|(name, _)| !now.contains_key(*name))
            .map(|(name, stamp)| (*name, *stamp))
            .collect();
        let now: Stamps = gone.clone().into_iter().chain(now).collect();
        if self.quiet.counts(&self.served, &now, Instant::now()) != Counts::Now {
            return Vec::new();
        }
        let files = match world.file_helper.loaders().await {
            Ok(files) => files,
            Err(error) => {
                self.quiet.done_with(now);
                let error = error.to_string();
                return vec![Event::Warning(Warning::LoadersKept { error })];
            }
        };
        let files = files.into_iter().filter_map(|(name, file)| {
            let content = Content::from_regular(file.into()).ok()?;
            Some((name, content))
        });
        let files: BTreeMap<String, Content> = files.collect();
        let changed = now
            .iter()
            .filter(|(name, stamp)| self.served.get(*name) != Some(stamp));
        let changed: Vec<_> = changed
            .filter_map(|(name, _)| Some((*name, files.get(*name)?.clone())))
            .collect();
        let events = changed.iter().map(|(name, _)| {
            let loader = (*name).to_owned();
            Event::Change(Change::LoaderReplaced { loader })
        });
        let mut events: Vec<Event> = events.collect();
        let changed = changed.into_iter();
        let changed = changed.filter(|(name, _)| !signed_ipxe::is_of_pair(name));
        // What is wrong with a pair is told when it is there first, and when it has changed.
        let is_other_pair = events.len() > changed.clone().count();
        let folder = self.folder.clone();
        let checked = tokio::task::spawn_blocking(move || {
            loaders::pairs(folder.as_deref(), |name| files.get(name))
        });
        let mut pairs = checked.await.unwrap_or_default();
        for pair in world.artifacts.signed_ipxe() {
            let is_gone = pair.names().iter().any(|name| gone.contains_key(name));
            let mut new = pairs.iter().flatten();
            if is_gone && !new.any(|new| new.is_of_processor_of(&pair)) {
                pairs.push(Ok(pair));
            }
        }
        if is_other_pair {
            let faults = signed_ipxe::faults(&pairs).into_iter();
            events.extend(faults.map(|error| Event::Warning(Warning::SignedIpxe { error })));
        }
        let names: Vec<&str> = now.keys().copied().collect();
        world.artifacts.put_loaders(
            changed.collect(),
            &loaders::by_platform(&names, &pairs),
            pairs,
        );
        self.served = now;
        events
    }
}

fn stamps(folder: Option<PathBuf>) -> Stamps {
    let paths = loaders::paths(folder.as_deref());
    let stamps = paths.into_iter().filter_map(|(name, paths)| {
        let stamp = paths.iter().find_map(|path| Stamp::of_path(path))?;
        Some((name, stamp))
    });
    stamps.collect()
}
