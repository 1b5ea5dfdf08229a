//! Follows the generations of store systems: one that is made becomes an image, and one that is deleted is none any more.

use std::collections::BTreeSet;
use std::time::Instant;

use super::RootWatch;
use super::generation_watch::Names;
use super::prepare::{Ready, Wanted, found_in};
use super::settling::Counts;
use crate::generations::{self, Found};
use crate::serve::events::{Change, Event, Warning};
use crate::settings::CatalogSettings;

impl RootWatch {
    /// Looks which generations there are, and has what counts prepared.
    pub(super) async fn look_at_generations(&mut self) {
        let Some(configured) = &self.configured else {
            return;
        };
        let directories = generations::directories(&configured.catalog);
        if directories.is_empty() || configured.preparing.is_some() {
            return;
        }
        let catalog = configured.catalog.clone();
        let mut trees = self.trees();
        trees.retain(|directory, _| directories.contains(directory));
        let found = found_in(trees).await;
        let ordered = self.ordered();
        let wanted = generations::with(&catalog, &found, &ordered, &catalog);
        let (served, now) = (names(&catalog), names(&wanted));
        let all = ordered.union(&served).cloned().collect();
        let there = names(&generations::with(&catalog, &found, &all, &catalog));
        let watch = &mut self.generations;
        watch.is_one_gone = !served.is_subset(&there);
        match watch.quiet.counts(&served, &now, Instant::now()) {
            Counts::NotYet => {}
            Counts::NoChange => self.tell_of_generations(&catalog, &found),
            Counts::Now => {
                watch.acted_on = now;
                self.prepare(Wanted::Generations, None, false);
            }
        }
    }

    /// Serves the generations that were prepared.
    pub(super) async fn take_generations(&mut self, ready: Ready) {
        let left_out = ready.left_out.clone();
        let changed = ready.comparison.added.iter();
        let changed = changed.chain(&ready.comparison.removed).next().cloned();
        match self.apply(ready).await {
            Ok(events) => events.into_iter().for_each(|event| self.say(event)),
            Err(error) => self.leave_out(vec![(changed.unwrap_or_default(), error)]),
        }
        self.leave_out(left_out);
    }

    /// Tells which generations are left out, which is not tried again before something changes.
    pub(super) fn leave_out(&mut self, left_out: Vec<(String, String)>) {
        if left_out.is_empty() {
            return;
        }
        let acted_on = self.generations.acted_on.clone();
        self.generations.quiet.done_with(acted_on);
        for (image, error) in left_out {
            let told = &mut self.generations.left_out;
            if told.insert((image.clone(), error.clone())) {
                self.say(Event::Warning(Warning::GenerationLeftOut { image, error }));
            }
        }
    }

    /// Tells that there are more than are images, and that something names one that is not there, once.
    fn tell_of_generations(&mut self, catalog: &CatalogSettings, found: &Found) {
        let limited = generations::limited(catalog, found);
        let before = std::mem::take(&mut self.generations.limited);
        for one in limited {
            self.generations.limited.insert(one.image.clone());
            if !before.contains(&one.image) {
                self.say(Event::Change(Change::GenerationsLimited {
                    image: one.image,
                    offered: one.offered,
                    all: one.all,
                }));
            }
        }
        let there = names(catalog);
        let orders = self.world.timeline.machines().orders().images();
        let orders = orders
            .into_iter()
            .filter(|(_, image)| generations::is_named(catalog, image) && !there.contains(image));
        let mut missing: BTreeSet<(String, String)> = BTreeSet::new();
        let mut told = Vec::new();
        for (image, by) in generations::missing(catalog) {
            missing.insert((image.clone(), by.clone()));
            told.push((image, by, false));
        }
        for (mac, image) in orders {
            let by = format!("an order for {mac}");
            missing.insert((image.clone(), by.clone()));
            told.push((image, by, true));
        }
        let before = std::mem::replace(&mut self.generations.missing, missing);
        for (image, by, ordered) in told {
            if !before.contains(&(image.clone(), by.clone())) {
                let warning = Warning::GenerationMissing { image, by, ordered };
                self.say(Event::Warning(warning));
            }
        }
    }
}

fn names(catalog: &CatalogSettings) -> Names {
    let images = catalog.images.iter().filter(|one| generations::is_one(one));
    images.filter_map(|image| image.name.clone()).collect()
}
