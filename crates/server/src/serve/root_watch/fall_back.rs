//! To which of its roots an image goes, where its latest one (`netroot image swap`) cannot be served. Pure.

use std::collections::BTreeMap;

use crate::generations;
use crate::serve::root_facts::Facts;
use crate::settings::{CatalogSettings, ImageSettings, ImageSource, RootSettings};
use crate::swaps::roots;

/// To which of its roots an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootChange {
    /// The one before, since the one that is served cannot be any more: why.
    Earlier(String),
    /// The latest one, which may be served again: what it holds, so that each change of that counts anew.
    Latest(Box<Facts>),
}

/// Those of images, by their names.
pub(super) type RootChanges = BTreeMap<String, RootChange>;

/// Gives images other ones of their roots.
pub(super) fn change_roots(written: &mut CatalogSettings, changes: &RootChanges) -> Unserved {
    let mut unserved = Unserved {
        keep_served: true,
        ..Unserved::default()
    };
    for image in &mut written.images {
        let name = image.name.clone().unwrap_or_default();
        let (Some(change), ImageSource::Root(root)) = (changes.get(&name), &mut image.source)
        else {
            continue;
        };
        match change {
            RootChange::Latest(_) => *root = roots::latest(root),
            RootChange::Earlier(why) => {
                if let Some(earlier) = roots::earlier(root) {
                    *root = earlier;
                    unserved.why.insert(name, why.clone());
                }
            }
        }
    }
    unserved
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
            *root = roots::as_served(root, served);
        }
    }
}

/// The latest roots of images that cannot be served.
#[derive(Debug, Default)]
pub(super) struct Unserved {
    /// Why, by the images' names.
    pub(super) why: BTreeMap<String, String>,
    /// An image of which no other root can be served stays as it is.
    pub(super) keep_served: bool,
}

impl Unserved {
    /// What is told of it, where machines boot what is `written`.
    pub(super) fn told(self, written: &CatalogSettings) -> Vec<(String, String)> {
        let told = self.why.into_iter().filter_map(|(name, why)| {
            let mut all = written_roots(written);
            let (_, root) = all.find(|(image, _)| image.name.as_ref() == Some(&name))?;
            let told = roots::not_served(&name, root, &why);
            Some((name, told))
        });
        told.collect()
    }
}

fn served_root<'a>(served: &'a CatalogSettings, image: &ImageSettings) -> Option<&'a RootSettings> {
    let mut all = written_roots(served);
    let found = all.find(|(served, _)| served.name == image.name);
    found.map(|(_, root)| root)
}

/// Whether an image has the root that it is served with.
pub(super) fn serves(served: &CatalogSettings, image: &ImageSettings) -> bool {
    let served = served.images.iter();
    let mut served = served.filter(|served| served.name == image.name);
    served.any(|served| {
        served.source == image.source
            && served.append == image.append
            && served.title == image.title
    })
}

/// The root that an image has instead of one that cannot be served. A root that it has just been swapped to is refused.
pub(super) fn instead(
    served: &CatalogSettings,
    image: &ImageSettings,
    keep_served: bool,
) -> Option<RootSettings> {
    let (root, served) = (image.source.root()?, served_root(served, image)?);
    let instead = roots::earlier(root).filter(|_| roots::have_same_latest(root, served));
    instead.or_else(|| keep_served.then(|| served.clone()))
}
