//! Follows the configuration's files, and serves what was prepared.

use std::time::Instant;

use super::RootWatch;
use super::configured::{MOST_ATTEMPTS, Preparing, QUIET};
use super::prepare::{Outcome, SHOWN, Wanted};
use super::settling::Counts;
use crate::generations;
use crate::serve::config_files::Comparison;
use crate::serve::events::{Change, Event, Warning};
use crate::settings::{CatalogSettings, RootSettings};
use crate::swaps;

impl RootWatch {
    /// Looks whether the files have changed, and has what counts prepared.
    pub(super) async fn look_at_configuration(&mut self) {
        let Some(configured) = &self.configured else {
            return;
        };
        let watched = configured.watched.clone();
        let looked = tokio::task::spawn_blocking(move || watched.look()).await;
        let (Some(configured), Ok(stamps)) = (&mut self.configured, looked) else {
            return;
        };
        if configured.preparing.is_some() {
            return;
        }
        let counts =
            configured
                .quiet
                .counts_after(QUIET, &configured.served, &stamps, Instant::now());
        let asked = std::mem::take(&mut configured.asked);
        if !asked && counts != Counts::Now {
            return;
        }
        let known = (!asked).then(|| configured.watched.clone());
        let again = std::mem::take(&mut configured.again);
        let wanted = Wanted::Configuration { known, again };
        self.prepare(wanted, Some(stamps), asked);
    }

    /// Serves what was prepared.
    pub(super) async fn take_prepared(&mut self, outcome: Outcome) {
        let Some(configured) = &mut self.configured else {
            return;
        };
        let Some(Preparing { stamps, asked, .. }) = configured.preparing.take() else {
            return;
        };
        let (digest, errors) = match outcome {
            Outcome::Unknown(watched) => {
                configured.watched = watched;
                return;
            }
            Outcome::Again { why, .. } if configured.attempts < MOST_ATTEMPTS => {
                configured.attempts += 1;
                configured.asked = asked;
                configured.again |= asked;
                let _ = why;
                return;
            }
            Outcome::Again { digest, why } => (digest, vec![why]),
            Outcome::Same(read) => {
                let was_wrong = configured.is_as_served(read, stamps);
                let restart = configured.restart.clone();
                if was_wrong {
                    self.tell_served(restart);
                }
                return;
            }
            Outcome::Wrong { read, errors } => {
                let digest = read.as_ref().map_or(0, |read| read.digest);
                if let Some(read) = read {
                    configured.watched = read.watched;
                }
                (digest, errors)
            }
            Outcome::Generations(ready) => {
                self.take_generations(*ready).await;
                return;
            }
            Outcome::Roots(ready) => {
                self.take_roots(*ready).await;
                return;
            }
            Outcome::NoRoots(error) => {
                self.cannot_take_roots(error);
                return;
            }
            Outcome::Ready(read, ready) => {
                let restart = ready.restart.clone();
                let left_out = ready.left_out.clone();
                let doubts = ready.doubts.clone();
                let not_served = ready.not_served.clone();
                match self.apply(*ready).await {
                    Ok(events) => {
                        // Who runs from what is exchanged now is known after a crash.
                        self.let_go_of_trees().await;
                        let Some(configured) = &mut self.configured else {
                            return;
                        };
                        let was_wrong = configured.is_as_served(read, stamps);
                        let before = std::mem::replace(&mut configured.restart, restart.clone());
                        let known = std::mem::replace(&mut configured.doubts, doubts.clone());
                        for event in events {
                            self.say(event);
                        }
                        self.leave_out(left_out);
                        let is_mended = known.iter().any(|doubt| !doubts.contains(doubt));
                        let was_wrong = was_wrong || is_mended;
                        if was_wrong || (restart.is_empty() && !before.is_empty()) {
                            self.tell_served(restart);
                        } else if restart != before && !restart.is_empty() {
                            self.say(Event::Warning(Warning::TakesRestart { what: restart }));
                        }
                        // What was mended takes the others off the list of warnings with it.
                        let is_new = |doubt: &String| was_wrong || !known.contains(doubt);
                        let new = doubts.into_iter().filter(is_new);
                        for error in new.take(SHOWN) {
                            self.say(Event::Warning(Warning::WithoutEffect { error }));
                        }
                        self.tell_not_served(not_served);
                        return;
                    }
                    Err(error) => (read.digest, vec![error]),
                }
            }
        };
        let Some(configured) = &mut self.configured else {
            return;
        };
        if !configured.is_told(digest, stamps) {
            for error in errors {
                self.say(Event::Warning(Warning::ConfigurationKept { error }));
            }
        }
    }

    /// The files are served as they are, which they were not; `restart` is what still takes one.
    fn tell_served(&mut self, restart: Vec<&'static str>) {
        self.say(Event::Change(Change::ConfigurationServed));
        if !restart.is_empty() {
            self.say(Event::Warning(Warning::TakesRestart { what: restart }));
        }
    }
}

/// What is told of a change of what machines boot.
pub(super) fn told(comparison: &Comparison, swapped: &[Change]) -> Vec<Event> {
    // With its generations.
    let is_swapped = |name: &String| {
        let mut swapped = swapped.iter();
        swapped.any(|one| {
            matches!(one, Change::ImageSwapped { image, .. }
                if image == name || generations::number_in(name, image).is_some())
        })
    };
    let changed = comparison.changed.iter().filter(|name| !is_swapped(name));
    let changes = (comparison.added.iter())
        .map(|image| Change::ImageAdded {
            image: image.clone(),
        })
        .chain(swapped.iter().cloned())
        .chain(changed.map(|image| Change::ImageChanged {
            image: image.clone(),
        }))
        .chain(comparison.removed.iter().map(|image| Change::ImageRemoved {
            image: image.clone(),
        }))
        .chain(comparison.assignments.then_some(Change::AssignmentsChanged));
    changes.map(Event::Change).collect()
}

/// The images whose roots somebody exchanged.
pub(super) fn swapped(before: &CatalogSettings, now: &CatalogSettings) -> Vec<Change> {
    let roots = |settings: &CatalogSettings| -> Vec<(Option<String>, RootSettings)> {
        let images = settings.images.iter();
        let written = images.filter(|image| !generations::is_one(image));
        written
            .filter_map(|image| Some((image.name.clone(), image.source.root()?.clone())))
            .collect()
    };
    let before = roots(before);
    let swapped = roots(now).into_iter().filter_map(|(name, root)| {
        let (_, old) = before.iter().find(|(other, _)| *other == name)?;
        // Another one in the configuration is no exchange.
        let is_swap = |one: &RootSettings| one.swapped.is_some();
        // What was booted instead of it is the root for good, perhaps.
        let is_settled = swaps::roots::is_fallen_back(old) && !swaps::roots::is_fallen_back(&root);
        let before = match old.directory == root.directory {
            true => is_settled.then(|| swaps::roots::latest(old).directory),
            false => Some(old.directory.clone()),
        };
        let before = before.filter(|_| is_swap(old) || is_swap(&root))?;
        Some(Change::ImageSwapped {
            image: name.unwrap_or_default(),
            root: root.directory,
            before,
        })
    });
    swapped.collect()
}
