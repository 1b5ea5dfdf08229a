//! Names that do not exist, and what there is twice, across the files.

use std::collections::HashMap;

use super::findings::Findings;
use super::images::NamedImage;
use crate::catalog::{MachineProblem, machine_errors, no_such_choice, no_such_image};
use crate::settings::{CatalogSettings, Choice, Generations};

/// What identifies a machine.
const IDENTITIES: [&str; 4] = ["mac", "uuid", "serial", "client-id"];

/// Tells all such mistakes. `names` are those of every image that is written, also of one that is wrong; `None` if they are
/// not known, since a file could not be read.
pub(super) fn check(
    catalog: &CatalogSettings,
    names: Option<&[NamedImage]>,
    findings: &mut Findings<'_>,
) {
    let mut check = Check {
        catalog,
        names,
        findings,
    };
    check.images();
    check.machines();
    check.choices();
    check.menu();
}

/// Tells that there is nothing to boot.
pub(super) fn no_image(findings: &mut Findings<'_>) {
    let text =
        "no image is configured; add one, such as [image.debian] with root = \"/srv/debian\"";
    let main = findings.places.of_main(&[]);
    findings.mistake(&main, String::new(), text);
}

struct Check<'a, 'b, 'c> {
    catalog: &'a CatalogSettings,
    names: Option<&'a [NamedImage]>,
    findings: &'b mut Findings<'c>,
}

impl Check<'_, '_, '_> {
    fn images(&mut self) {
        let Some(images) = self.names else {
            return;
        };
        let mut names = HashMap::new();
        for image in images {
            let name = image.name.as_str();
            let first = *names.entry(name).or_insert(&image.origin);
            if *first != image.origin {
                let text =
                    format!("the image {name} is at {first} already; give each its own name");
                let about = format!("image.{name}");
                self.findings.mistake(&image.origin, about, text);
            }
        }
    }

    fn machines(&mut self) {
        for error in machine_errors(&self.catalog.machines) {
            // One that is identified by something wrong is told so already.
            let is_written = |key: &&str| self.findings.places.has(&error.origin, key);
            if error.problem == MachineProblem::Unidentified && IDENTITIES.iter().any(is_written) {
                continue;
            }
            let about = format!("machine.{}", error.name);
            let text = error.problem.to_string();
            match error.problem.key() {
                Some(key) => self.findings.of_key(&error.origin, &about, key, text),
                None => self.findings.mistake(&error.origin, about, text),
            }
        }
    }

    fn choices(&mut self) {
        let catalog = self.catalog;
        for machine in &catalog.machines {
            if let Some(text) = self.wrong_choice(machine.choice.as_ref()) {
                let about = format!("machine.{}", machine.name);
                self.findings.of_key(&machine.origin, &about, "boot", text);
            }
        }
        for rule in &catalog.rules {
            if let Some(text) = self.wrong_choice(rule.choice.as_ref()) {
                self.findings.of_key(&rule.origin, "rule", "boot", text);
            }
        }
        if let Some(text) = self.wrong_choice(catalog.default.as_ref()) {
            self.of_main(&["default"], text);
        }
    }

    fn menu(&mut self) {
        let menu = &self.catalog.menu;
        for (number, name) in menu.images.iter().enumerate() {
            if let Some(text) = self.wrong_image(name) {
                self.of_main(&["menu", "images"], text);
            }
            let before = menu.images.iter().take(number);
            if before.filter(|one| *one == name).count() == 1 {
                let text = format!("{name} is in the menu twice; name it once");
                self.of_main(&["menu", "images"], text);
            }
        }
        let Some(default) = &menu.default else {
            return;
        };
        if let Some(text) = self.wrong_image(default) {
            self.of_main(&["menu", "default"], text);
        } else if !menu.images.is_empty() && !menu.images.contains(default) {
            let text = format!("{default} is not in the menu; add it to images");
            self.of_main(&["menu", "default"], text);
        }
    }

    fn of_main(&mut self, keys: &[&str], text: String) {
        let place = self.findings.places.of_main(keys);
        self.findings.mistake(&place, keys.join("."), text);
    }

    fn wrong_choice(&self, choice: Option<&Choice>) -> Option<String> {
        let names = self.names?;
        match choice {
            Some(Choice::Image(name)) if !has(names, name) => {
                Some(no_such_choice(name, names.iter().map(NamedImage::name)))
            }
            _ => None,
        }
    }

    fn wrong_image(&self, name: &str) -> Option<String> {
        let names = self.names?;
        let wrong = || no_such_image(name, names.iter().map(NamedImage::name));
        (!has(names, name)).then(wrong)
    }
}

/// Which generations a root has is seen when it is opened.
fn has(images: &[NamedImage], name: &str) -> bool {
    let generation_of = |(image, number): (&str, &str)| {
        let has = |one: &NamedImage| one.name == image && one.may_have_generations();
        number.parse::<u32>().is_ok() && images.iter().any(has)
    };
    images.iter().any(|image| image.name == name) || name.split_once('@').is_some_and(generation_of)
}

impl NamedImage {
    fn may_have_generations(&self) -> bool {
        let root = self.settings.as_ref().map(|image| image.source.root());
        // Of one that is wrong it is not known.
        root.is_none_or(|root| {
            root.is_some_and(|root| matches!(root.generations, Generations::Newest(_)))
        })
    }
}
