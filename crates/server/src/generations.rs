//! Store systems (Guix System, NixOS): the newest generations of a root are images, `guix@42`, beside `guix`, which is the
//! current one at any time.
//!
//! Pure, but for [`at_start`]: who follows a root says which generations it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use netroot_initramfs::{Generation, RootTree};

use crate::settings::{
    CatalogSettings, Choice, Generations, ImageSettings, ImageSource, RootSettings,
};

/// The generations that each root has, the newest first, by its directory. A root that is not among them keeps those that
/// are images of it.
pub(crate) type Found = BTreeMap<PathBuf, Vec<Generation>>;

/// An image of which there are more generations than are images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limited {
    /// Its name.
    pub(crate) image: String,
    /// How many of its generations are images.
    pub(crate) offered: usize,
    /// How many there are.
    pub(crate) all: usize,
}

/// Adds the generations that are there, behind all images. A root that cannot be opened has none here: that it cannot is
/// told when it is served.
pub(crate) fn at_start(catalog: &mut CatalogSettings) {
    let opened = directories(catalog).into_iter().filter_map(|directory| {
        let tree = RootTree::open(&directory).ok()?;
        Some((directory, netroot_initramfs::generations(&tree)))
    });
    let found = opened.collect();
    *catalog = with(catalog, &found, &BTreeSet::new(), catalog);
}

/// The directories of which generations are images.
pub(crate) fn directories(catalog: &CatalogSettings) -> BTreeSet<PathBuf> {
    let roots = wanting(catalog).map(|(_, root, _)| root.directory.clone());
    roots.collect()
}

/// The catalog with the generations that were found, instead of those that are in it. Of more than are wanted, those are
/// images, too, that something in the catalog or in `ordered` names. A root that was not looked at keeps those that it has
/// in `before`.
pub(crate) fn with(
    catalog: &CatalogSettings,
    found: &Found,
    ordered: &BTreeSet<String>,
    before: &CatalogSettings,
) -> CatalogSettings {
    let mut whole = without(catalog);
    let mut added = Vec::new();
    for (image, root, most) in wanting(catalog) {
        let Some(all) = found.get(&root.directory) else {
            added.extend(known(image, root, before));
            continue;
        };
        let name = image.name.as_deref().unwrap_or_default();
        let named: BTreeSet<u32> = (choices(catalog).into_iter().map(|(name, _)| name))
            .chain(ordered.iter().map(String::as_str))
            .filter_map(|one| number_in(one, name))
            .collect();
        let offered = all.iter().enumerate().filter(|(place, generation)| {
            *place < usize::from(most) || named.contains(&generation.number)
        });
        added.extend(offered.map(|(_, generation)| image_of(image, root, generation)));
    }
    // A name that is written is that of something else.
    let is_new = |image: &ImageSettings| !whole.images.iter().any(|one| one.name == image.name);
    added.retain(is_new);
    whole.images.extend(added);
    whole
}

/// The generations that an image has in `before`, if it has the same root there.
fn known<'a>(
    image: &'a ImageSettings,
    root: &'a RootSettings,
    before: &'a CatalogSettings,
) -> impl Iterator<Item = ImageSettings> + 'a {
    images_of(before, image).filter_map(|known| {
        let number = generation(known)?;
        let is_its = known.source.root()?.directory == root.directory;
        is_its.then(|| ImageSettings {
            name: known.name.clone(),
            title: known.title.clone(),
            source: source(root, number),
            ..image.clone()
        })
    })
}

/// The catalog as it is written.
pub(crate) fn without(catalog: &CatalogSettings) -> CatalogSettings {
    let mut written = catalog.clone();
    written.images.retain(|image| !is_one(image));
    written
}

/// Whether the image is a generation of another one's root.
pub(crate) fn is_one(image: &ImageSettings) -> bool {
    generation(image).is_some()
}

/// The place of an image among those that are written, and the number of the generation that it is of that one; 0 for none.
pub(crate) fn number(catalog: &CatalogSettings, place: usize) -> (usize, u32) {
    let image = catalog.images.get(place);
    let of = image.and_then(|image| Some((image.name.as_deref()?, generation(image)?)));
    let written = of.and_then(|(name, number)| {
        let (name, _) = name.rsplit_once('@')?;
        let mut images = catalog.images.iter();
        let place = images.position(|image| image.name.as_deref() == Some(name))?;
        Some((place, number))
    });
    written.unwrap_or((place, 0))
}

/// The generation of this number of an image that is written, whether or not it is there. `None` where none is an image.
pub(crate) fn of_number(image: &ImageSettings, number: u32) -> Option<ImageSettings> {
    let (image, root, _) = wanted(image)?;
    Some(ImageSettings {
        name: image.name.as_deref().map(|name| name_of(name, number)),
        source: source(root, number),
        ..image.clone()
    })
}

/// The images of which not all generations are images.
pub(crate) fn limited(catalog: &CatalogSettings, found: &Found) -> Vec<Limited> {
    let limited = wanting(catalog).filter_map(|(image, root, _)| {
        let all = found.get(&root.directory)?.len();
        let offered = images_of(catalog, image).count();
        (offered < all).then(|| Limited {
            image: image.name.clone().unwrap_or_default(),
            offered,
            all,
        })
    });
    limited.collect()
}

/// The generations that the catalog's machines, rules, menu and default name and that are no images, each with who names it.
pub(crate) fn missing(catalog: &CatalogSettings) -> Vec<(String, String)> {
    let is_there = |name: &str| {
        let mut images = catalog.images.iter();
        images.any(|image| image.name.as_deref() == Some(name))
    };
    let missing = choices(catalog)
        .into_iter()
        .filter(|(name, _)| !is_there(name) && is_named(catalog, name));
    missing.map(|(name, by)| (name.to_owned(), by)).collect()
}

/// Whether this is the name of a generation of one of the images, whether or not it is there.
pub(crate) fn is_named(catalog: &CatalogSettings, name: &str) -> bool {
    let mut images = wanting(catalog);
    images.any(|(image, _, _)| {
        let image = image.name.as_deref().unwrap_or_default();
        number_in(name, image).is_some()
    })
}

/// The number of the generation of `image` that has this name.
pub(crate) fn number_in(name: &str, image: &str) -> Option<u32> {
    name.strip_prefix(image)?.strip_prefix('@')?.parse().ok()
}

/// The images whose generations are images, with their roots and how many of them.
fn wanting(catalog: &CatalogSettings) -> impl Iterator<Item = Wanted<'_>> {
    catalog.images.iter().filter_map(wanted)
}

type Wanted<'a> = (&'a ImageSettings, &'a RootSettings, u16);

/// Where a kernel is named, that is the one.
fn wanted(image: &ImageSettings) -> Option<Wanted<'_>> {
    let root = image.source.root().filter(|root| root.kernel.is_none())?;
    match root.generations {
        Generations::Newest(most) if image.name.is_some() => Some((image, root, most)),
        _ => None,
    }
}

fn generation(image: &ImageSettings) -> Option<u32> {
    match image.source.root()?.generations {
        Generations::One(number) => Some(number),
        _ => None,
    }
}

/// The generations of an image that are in the catalog.
fn images_of<'a>(
    catalog: &'a CatalogSettings,
    image: &'a ImageSettings,
) -> impl Iterator<Item = &'a ImageSettings> {
    let name = image.name.as_deref().unwrap_or_default();
    let images = catalog.images.iter().filter(|one| is_one(one));
    images.filter(move |one| {
        let one = one.name.as_deref().unwrap_or_default();
        number_in(one, name).is_some()
    })
}

fn image_of(image: &ImageSettings, root: &RootSettings, generation: &Generation) -> ImageSettings {
    let number = generation.number;
    let made = generation.made;
    let made = made.and_then(|made| jiff::Timestamp::try_from(made).ok());
    let made = made.map(|made| made.strftime(" of %Y-%m-%d").to_string());
    let name = image.name.clone().unwrap_or_default();
    let title = image.title.as_ref().unwrap_or(&name);
    ImageSettings {
        title: Some(format!(
            "{title}, generation {number}{}",
            made.unwrap_or_default()
        )),
        name: Some(name_of(&name, number)),
        source: source(root, number),
        ..image.clone()
    }
}

fn source(root: &RootSettings, number: u32) -> ImageSource {
    ImageSource::Root(RootSettings {
        kernel: Some(format!("@{number}")),
        generations: Generations::One(number),
        ..root.clone()
    })
}

fn name_of(image: &str, number: u32) -> String {
    format!("{image}@{number}")
}

/// The images that something in the catalog names, each with what that is.
fn choices<'a>(catalog: &'a CatalogSettings) -> Vec<(&'a str, String)> {
    let mut named = Vec::new();
    let mut add = |choice: Option<&'a Choice>, by: &dyn Fn() -> String| {
        if let Some(Choice::Image(name)) = choice {
            named.push((name.as_str(), by()));
        }
    };
    for machine in &catalog.machines {
        let by = || format!("the machine {} ({})", machine.name, machine.origin);
        add(machine.choice.as_ref(), &by);
    }
    for rule in &catalog.rules {
        add(rule.choice.as_ref(), &|| {
            format!("a rule ({})", rule.origin)
        });
    }
    add(catalog.default.as_ref(), &|| "the default".to_owned());
    let menu = catalog.menu.images.iter().chain(&catalog.menu.default);
    named.extend(menu.map(|name| (name.as_str(), "the menu".to_owned())));
    named
}

#[cfg(test)]
mod tests;
