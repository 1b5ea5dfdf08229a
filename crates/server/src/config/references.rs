//! What contradicts across the files: names that do not exist, and what there is twice.

use std::collections::HashMap;

use super::mistake::Mistake;
use super::source::SourceFile;
use crate::catalog::{machine_errors, no_such_choice, no_such_image};
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
        let mut names = HashMap::new();
        for image in &catalog.images {
            let name = image.name.as_deref().unwrap_or_default();
            let first = *names.entry(name).or_insert(&image.origin);
            if *first != image.origin {
                let text =
                    format!("the image {name} is at {first} already; give each its own name");
                self.mistake(&image.origin, format!("image.{name}"), text);
            }
        }
    }

    fn machines(&mut self) {
        for error in machine_errors(&self.catalog.machines) {
            let about = format!("machine.{}", error.name);
            self.mistake(&error.origin, about, error.problem.to_string());
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
        if let Some(Choice::Image(name)) = choice
            && !self.has_image(name)
        {
            let text = no_such_choice(name, self.names());
            self.mistake(origin, about.to_owned(), text);
        }
    }

    fn image(&mut self, name: &str, origin: &Origin, about: &str) {
        if !self.has_image(name) {
            let text = no_such_image(name, self.names());
            self.mistake(origin, about.to_owned(), text);
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let images = self.catalog.images.iter();
        images.filter_map(|it| it.name.as_deref())
    }

    fn has_image(&self, name: &str) -> bool {
        // Which generations there are is seen when the root is opened.
        let generation_of = |(image, _): (&str, &str)| {
            let mut images = self.catalog.images.iter();
            images.any(|it| {
                let has = it.source.root().is_some_and(|root| root.generations);
                has && it.name.as_deref() == Some(image)
            })
        };
        self.names().any(|it| it == name) || name.split_once('@').is_some_and(generation_of)
    }
}
