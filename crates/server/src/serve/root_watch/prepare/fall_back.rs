//! To which of its roots an image goes, where its latest one (`netroot image swap`) cannot be served.

use std::collections::BTreeMap;

use super::{Job, Outcome, Turn, wrong};
use crate::generations;
use crate::settings::{CatalogSettings, ImageSettings, ImageSource, RootSettings};
use crate::swaps;

/// Other ones of the images' roots.
pub(super) async fn roots(job: Job, turns: BTreeMap<String, Turn>) -> Outcome {
    let mut written = generations::without(&job.served);
    let mut unfit = Unfit {
        stay: true,
        ..Unfit::default()
    };
    for image in &mut written.images {
        let name = image.name.clone().unwrap_or_default();
        let (Some(turn), ImageSource::Root(root)) = (turns.get(&name), &mut image.source) else {
            continue;
        };
        match turn {
            Turn::Latest => *root = swaps::latest(root),
            Turn::Earlier(why) => {
                if let Some(earlier) = swaps::earlier(root) {
                    *root = earlier;
                    unfit.why.insert(name, why.clone());
                }
            }
        }
    }
    match job.ready(job.digest, written, unfit).await {
        Ok(ready) => Outcome::Roots(Box::new(ready)),
        Err(error) => wrong(None, error),
    }
}

/// The roots that are written, with their images.
pub(super) fn written_roots(
    catalog: &CatalogSettings,
) -> impl Iterator<Item = (&ImageSettings, &RootSettings)> {
    let written = catalog
        .images
        .iter()
        .filter(|one| !generations::is_one(one));
    written.filter_map(|image| Some((image, image.source.root()?)))
}

/// What cannot be served now is not tried again because something else has changed.
pub(super) fn fall_back_as_before(catalog: &mut CatalogSettings, served: &CatalogSettings) {
    for image in &mut catalog.images {
        let mut known = written_roots(served);
        let known = known.find(|(served, _)| served.name == image.name);
        if let (ImageSource::Root(root), Some((_, served))) = (&mut image.source, known) {
            *root = swaps::as_served(root, served);
        }
    }
}

/// The latest roots of images that cannot be served.
#[derive(Debug, Default)]
pub(super) struct Unfit {
    /// Why, by the images' names.
    pub(super) why: BTreeMap<String, String>,
    /// An image of which no other root can be served stays as it is.
    pub(super) stay: bool,
}

impl Unfit {
    /// What is told of it, where machines boot what is `written`.
    pub(super) fn told(self, written: &CatalogSettings) -> Vec<(String, String)> {
        let told = self.why.into_iter().filter_map(|(name, why)| {
            let mut roots = written_roots(written);
            let (_, root) = roots.find(|(image, _)| image.name.as_ref() == Some(&name))?;
            let told = swaps::not_served(&name, root, &why);
            Some((name, told))
        });
        told.collect()
    }
}

impl Job {
    fn served_root(&self, image: &ImageSettings) -> Option<&RootSettings> {
        let mut served = written_roots(&self.served);
        served
            .find(|(served, _)| served.name == image.name)
            .map(|(_, root)| root)
    }

    /// Whether an image has the root that it is served with.
    pub(super) fn serves(&self, image: &ImageSettings) -> bool {
        let served = self.served.images.iter();
        let mut served = served.filter(|served| served.name == image.name);
        served.any(|served| {
            served.source == image.source
                && served.append == image.append
                && served.title == image.title
        })
    }

    /// The root that an image has instead of one that cannot be served. A root that it has just been swapped to is refused.
    pub(super) fn instead(&self, image: &ImageSettings, stay: bool) -> Option<RootSettings> {
        let (root, served) = (image.source.root()?, self.served_root(image)?);
        let instead = swaps::earlier(root).filter(|_| swaps::have_same_latest(root, served));
        instead.or_else(|| stay.then(|| served.clone()))
    }
}
