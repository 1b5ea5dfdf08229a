//! What contradicts across the files: names that do not exist, and what there is twice.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use netroot_spelling::nearest;

use super::mistake::Mistake;
use super::source::SourceFile;
use crate::settings::{CatalogSettings, Choice, ConfigPlace, Origin};

/// Where the main file has what is not in a table of its own.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) default: Origin,
    pub(super) menu_images: Origin,
    pub(super) menu_default: Origin,
}

impl Places {
    /// At the beginning of the main file, until they are found.
    pub(super) fn of(place: &ConfigPlace) -> Self {
        let main = || Origin::File {
            path: place.file.clone(),
            line: 1,
        };
        Self {
            default: main(),
            menu_images: main(),
            menu_default: main(),
        }
    }
}

/// All such mistakes, in the order of the files.
pub(super) fn check(
    catalog: &CatalogSettings,
    places: &Places,
    files: &[SourceFile],
) -> Vec<Mistake> {
    let mut check = Check {
        catalog,
        mistakes: Vec::new(),
    };
    check.images(&places.default);
    check.machines();
    check.choices(places);
    let order = |mistake: &Mistake| {
        let mut paths = files.iter().map(|file| &file.path);
        paths.position(|path| *path == mistake.path)
    };
    check
        .mistakes
        .sort_by_key(|mistake| (order(mistake), mistake.line));
    check.mistakes
}

struct Check<'a> {
    catalog: &'a CatalogSettings,
    mistakes: Vec<Mistake>,
}

impl<'a> Check<'a> {
    fn mistake(&mut self, origin: &Origin, about: String, text: String) {
        // Nothing here comes from the command line.
        let Origin::File { path, line } = origin.clone() else {
            return;
        };
        self.mistakes.push(Mistake {
            path,
            line,
            about,
            text,
        });
    }

    fn images(&mut self, main: &Origin) {
        let catalog = self.catalog;
        if catalog.images.is_empty() {
            let text = "no image is configured; add one, such as [image.debian] with root = \"/srv/debian\"";
            self.mistake(main, String::new(), text.to_owned());
        }
        let mut names = Once::default();
        for image in &catalog.images {
            let name = image.name.as_deref().unwrap_or_default();
            if let Some(first) = names.also_at(name, &image.origin) {
                let text =
                    format!("the image {name} is at {first} already; give each its own name");
                self.mistake(&image.origin, format!("image.{name}"), text);
            }
        }
    }

    fn machines(&mut self) {
        let (mut names, mut macs, mut uuids) = (Once::default(), Once::default(), Once::default());
        let (mut serials, mut ids, mut addresses) =
            (Once::default(), Once::default(), Once::default());
        for machine in &self.catalog.machines {
            let at = &machine.origin;
            let mut twice = Vec::new();
            twice.extend(names.twice("name", &machine.name, at));
            for mac in &machine.macs {
                twice.extend(macs.twice("mac", mac, at));
            }
            twice.extend(
                machine
                    .uuid
                    .as_ref()
                    .and_then(|it| uuids.twice("uuid", it, at)),
            );
            let serial = machine.serial.as_ref();
            twice.extend(serial.and_then(|it| serials.twice("serial", it, at)));
            let id = machine.client_id.as_ref();
            if let Some(first) = id.and_then(|it| ids.also_at(it, at)) {
                twice.push(format!("its client-id is that of the machine at {first}"));
            }
            let address = machine.address.as_ref();
            twice.extend(address.and_then(|it| addresses.twice("address", it, at)));
            for text in twice {
                self.mistake(at, format!("machine.{}", machine.name), text);
            }
        }
    }

    fn choices(&mut self, places: &Places) {
        let catalog = self.catalog;
        for machine in &catalog.machines {
            let about = format!("machine.{}.boot", machine.name);
            self.choice(machine.choice.as_ref(), &machine.origin, &about);
        }
        for rule in &catalog.rules {
            self.choice(rule.choice.as_ref(), &rule.origin, "rule.boot");
        }
        self.choice(catalog.default.as_ref(), &places.default, "default");
        for name in &catalog.menu.images {
            self.image(name, &places.menu_images, "menu.images");
        }
        if let Some(name) = &catalog.menu.default {
            let place = &places.menu_default;
            self.image(name, place, "menu.default");
            if !catalog.menu.images.is_empty() && !catalog.menu.images.contains(name) {
                let text = format!("the image {name} is not among the menu's images");
                self.mistake(place, "menu.default".to_owned(), text);
            }
        }
    }

    fn choice(&mut self, choice: Option<&Choice>, origin: &Origin, about: &str) {
        if let Some(Choice::Image(name)) = choice {
            self.image(name, origin, about);
        }
    }

    fn image(&mut self, name: &str, origin: &Origin, about: &str) {
        let known = || {
            self.catalog
                .images
                .iter()
                .filter_map(|it| it.name.as_deref())
        };
        // Which generations there are is seen when the root is opened.
        let generation_of = |(image, _): (&str, &str)| {
            let mut images = self.catalog.images.iter();
            images.any(|it| {
                let has = it.source.root().is_some_and(|root| root.generations);
                has && it.name.as_deref() == Some(image)
            })
        };
        if known().any(|it| it == name) || name.split_once('@').is_some_and(generation_of) {
            return;
        }
        let text = match nearest(name, known()) {
            Some(near) => format!("there is no image {name}; did you mean {near}?"),
            None => {
                let all: Vec<&str> = known().collect();
                format!(
                    "there is no image {name}; the images are {}",
                    all.join(", ")
                )
            }
        };
        self.mistake(origin, about.to_owned(), text);
    }
}

/// What may be there once.
struct Once<'a, T: ?Sized>(HashMap<&'a T, &'a Origin>);

impl<T: ?Sized> Default for Once<'_, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, T: Eq + Hash + ?Sized> Once<'a, T> {
    /// Where it was seen before.
    fn also_at(&mut self, value: &'a T, origin: &'a Origin) -> Option<&'a Origin> {
        if let Some(first) = self.0.get(value) {
            return Some(first);
        }
        self.0.insert(value, origin);
        None
    }

    fn twice(&mut self, key: &str, value: &'a T, origin: &'a Origin) -> Option<String>
    where
        T: Display,
    {
        let first = self.also_at(value, origin)?;
        Some(format!(
            "its {key} {value} is that of the machine at {first}"
        ))
    }
}
