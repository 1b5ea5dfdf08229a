//! Whether the roots that images were swapped to (`netroot image swap`) can be served: an image whose root is gone has the latest
//! earlier one that can be, until that is there again. As at the start of the server, and so that both come to the same.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RootWatch;
use super::fall_back::{RootChange, RootChanges};
use super::open_root::open_root;
use super::prepare::{Ready, Wanted};
use super::settling::{Counts, lacks_modules};
use super::swap_watch::Looked;
use crate::generations;
use crate::serve::events::{Event, Warning};
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_facts::{Facts, Place, look};
use crate::settings::{CatalogSettings, RootSettings};
use crate::swaps::roots;

/// How often it is looked into a root that could not be served, while nothing else takes its place and nothing changes.
const AGAIN: Duration = Duration::from_secs(60);

impl RootWatch {
    /// Looks which of the swapped roots can be served, and has what changes prepared.
    pub(super) async fn look_at_swaps(&mut self) {
        let Some(configured) = &self.configured else {
            return;
        };
        if configured.preparing.is_some() {
            return;
        }
        let (digest, catalog) = (configured.digest, configured.catalog.clone());
        let mut changes = RootChanges::new();
        let mut unserved = Vec::new();
        for (place, root) in swapped(&catalog) {
            let name = catalog.images.get(place).and_then(|it| it.name.clone());
            let name = name.unwrap_or_default();
            let newer = root.swapped.iter().flat_map(|swapped| &swapped.newer);
            let mut back = None;
            for (tree, directory) in newer {
                unserved.push(directory.clone());
                let number = ImageNumber::of_tree(digest, &catalog, (place, *tree));
                let facts = self.can_be_booted(number, directory, root).await;
                back = back.or(facts.filter(|facts| !self.lacks_modules(&name, directory, facts)));
            }
            let why_unserved = self.why_unserved(&name, root);
            if why_unserved.is_some()
                && let Some(served) = self.served(&name)
            {
                unserved.push(root.directory.clone());
                let served = served.clone();
                self.swaps.served.insert(root.directory.clone(), served);
            }
            let change = back
                .map(|facts| RootChange::Latest(Box::new(facts)))
                .or(why_unserved.map(RootChange::Earlier));
            changes.extend(change.map(|change| (name, change)));
        }
        let watch = &mut self.swaps;
        watch.unserved.retain(|root, _| unserved.contains(root));
        watch.served.retain(|root, _| unserved.contains(root));
        let counts = watch
            .quiet
            .counts(&RootChanges::new(), &changes, Instant::now());
        if counts == Counts::Now {
            watch.acted_on.clone_from(&changes);
            self.prepare(Wanted::Roots(changes), None, false);
        }
    }

    /// Why machines cannot boot a root that has earlier ones.
    fn why_unserved(&self, image: &str, root: &RootSettings) -> Option<String> {
        roots::earlier(root)?;
        let mut all = self.roots.iter();
        let followed = all.find(|followed| followed.directory() == root.directory)?;
        if followed.is_gone() {
            return Some("there is no such directory any more".to_owned());
        }
        let mut images = self.images.iter();
        let image = images.find(|followed| followed.followed.name == image)?;
        image.no_kernel.clone()
    }

    /// What an image's root held when it was served.
    fn served(&self, image: &str) -> Option<&Facts> {
        let mut images = self.images.iter();
        let image = images.find(|followed| followed.followed.name == image)?;
        Some(&image.followed.served)
    }

    /// Whether a root that is there again is not whole yet, by what it held before, or by what the one instead of it holds.
    fn lacks_modules(&self, image: &str, directory: &Path, now: &Facts) -> bool {
        let served = self.swaps.served.get(directory);
        let served = served.or_else(|| self.served(image));
        let (Some(served), Ok(found)) = (served, &now.kernel) else {
            return false;
        };
        lacks_modules(served, found)
    }

    /// What a root that could not be served holds now, if it has a kernel.
    async fn can_be_booted(
        &mut self,
        number: ImageNumber,
        directory: &Path,
        root: &RootSettings,
    ) -> Option<Facts> {
        let path = directory.to_owned();
        let place = tokio::task::spawn_blocking(move || Place::at(&path).ok()).await;
        let place = place.ok().flatten();
        let known = self.swaps.unserved.get(directory);
        // While something changes, each look is a new one.
        let is_fresh = |known: &Looked| known.at.elapsed() < AGAIN && self.swaps.is_settled();
        if let Some(known) = known
            && known.place == place
            && (place.is_none() || is_fresh(known))
        {
            return known.facts.clone();
        }
        let mut facts = None;
        if place.is_some()
            && let Ok(tree) = open_root(&self.world.root_helper, number, directory).await
        {
            let settings = root.clone();
            let tree = Arc::new(tree);
            let looked = tokio::task::spawn_blocking(move || look(&tree, &settings));
            facts = looked.await.ok().filter(|facts| facts.kernel.is_ok());
        }
        let looked = Looked {
            place,
            at: Instant::now(),
            facts: facts.clone(),
        };
        self.swaps.unserved.insert(directory.to_owned(), looked);
        facts
    }

    /// Serves the roots that were prepared.
    pub(super) async fn take_roots(&mut self, ready: Ready) {
        let not_served = ready.not_served.clone();
        let is_any_left = ready.comparison.is_empty();
        let left_out = ready.left_out.clone();
        let error = match self.apply(ready).await {
            Ok(events) => {
                // Who runs from what is exchanged now is known after a crash.
                self.let_go_of_trees().await;
                events.into_iter().for_each(|event| self.say(event));
                None
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            self.cannot_take_roots(error);
        } else if is_any_left {
            self.is_done_with_swaps();
        }
        self.leave_out(left_out);
        self.tell_not_served(not_served);
    }

    /// The roots cannot be served, and what is served stays.
    pub(super) fn cannot_take_roots(&mut self, error: String) {
        self.is_done_with_swaps();
        let image = None;
        self.say(Event::Warning(Warning::SwapNotServed { image, error }));
    }

    /// What was acted on came to nothing.
    fn is_done_with_swaps(&mut self) {
        let acted_on = self.swaps.acted_on.clone();
        self.swaps.quiet.done_with(acted_on);
    }

    /// Tells of which images an earlier root is booted, since the latest one cannot be served.
    pub(super) fn tell_not_served(&mut self, not_served: Vec<(String, String)>) {
        for (image, error) in not_served {
            let image = Some(image);
            self.say(Event::Warning(Warning::SwapNotServed { image, error }));
        }
    }
}

/// The images whose roots were swapped, without those that are generations of others.
fn swapped(catalog: &CatalogSettings) -> impl Iterator<Item = (usize, &RootSettings)> {
    let is_one = |place: usize| catalog.images.get(place).is_some_and(generations::is_one);
    let mut all = catalog.roots().collect::<Vec<_>>();
    all.retain(|(place, root)| root.swapped.is_some() && !is_one(*place));
    all.into_iter()
}
