//! The configuration in files: `netroot.toml` and the drop-ins beside it, in TOML.
//!
//! ```text
//! file → tables → values            section: each with its line; every mistake names what was expected
//! values → Settings                 server, images, machines, rules, menu
//! Settings → what contradicts       references: names that do not exist, or twice; contradictions
//! ```
//!
//! All files are one configuration: it is valid as a whole or not at all. `examples/netroot.toml` has every key.

mod contradictions;
mod example;
mod findings;
mod images;
mod machines;
mod menu;
mod mistake;
mod places;
mod references;
mod rules;
mod section;
mod server;
mod source;
mod syntax;
mod values;

use std::path::PathBuf;

use crate::settings::{CatalogSettings, ConfigPlace, Settings};

pub(crate) use self::mistake::{Mistake, Mistakes};
pub(crate) use self::places::Places;

use self::findings::Findings;
use self::section::Reading;
use self::source::SourceFile;

/// The text of each file of a configuration with its path, in their order.
type Texts = [(PathBuf, String)];

/// What files configure.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Everything that could be read.
    pub(crate) settings: Settings,
    /// What is wrong, in the order of the files. While there is anything, nothing of it is served.
    pub(crate) mistakes: Vec<Mistake>,
    /// What is served, and cannot do what it seems to be for.
    pub(crate) doubts: Vec<Mistake>,
    /// Where it is written.
    pub(crate) places: Places,
}

impl Parsed {
    /// # Errors
    /// What is wrong.
    pub(crate) fn whole(self) -> Result<Self, Mistakes> {
        match self.mistakes.is_empty() {
            true => Ok(self),
            false => Err(Mistakes(self.mistakes)),
        }
    }
}

/// Reads the files.
pub(crate) fn read(place: &ConfigPlace, texts: &Texts) -> Parsed {
    read_files(place, &sources(place, texts))
}

/// Everything that the files configure.
///
/// # Errors
/// All mistakes in them, in the order of the files.
#[cfg(test)]
pub(crate) fn parse(place: &ConfigPlace, texts: &Texts) -> Result<Settings, Mistakes> {
    Ok(read(place, texts).whole()?.settings)
}

/// What can be started with: where mistakes are in drop-ins alone, the configuration without those, and the mistakes.
/// One package's drop-in must not keep every machine from booting after a power cut.
///
/// # Errors
/// Mistakes that leaving out drop-ins does not cure.
pub(crate) fn parse_to_start(
    place: &ConfigPlace,
    texts: &Texts,
) -> Result<(Parsed, Vec<Mistake>), Mistakes> {
    let mut files = sources(place, texts);
    let mut left_out = Vec::new();
    loop {
        let mistakes = match read_files(place, &files).whole() {
            Ok(parsed) => return Ok((parsed, left_out)),
            Err(Mistakes(mistakes)) => mistakes,
        };
        let is_wrong = |file: &SourceFile| {
            let mut paths = mistakes.iter().map(|mistake| &mistake.path);
            file.is_drop_in && paths.any(|path| *path == file.path)
        };
        let before = files.len();
        files.retain(|file| !is_wrong(file));
        left_out.extend(mistakes);
        if files.len() == before {
            return Err(Mistakes(left_out));
        }
    }
}

fn sources(place: &ConfigPlace, texts: &Texts) -> Vec<SourceFile> {
    let texts = texts.iter().cloned();
    texts
        .map(|(path, text)| {
            let is_drop_in = path != place.file;
            SourceFile::new(path, text, is_drop_in)
        })
        .collect()
}

fn read_files(place: &ConfigPlace, files: &[SourceFile]) -> Parsed {
    let mut settings = Settings {
        config: Some(place.clone()),
        ..Settings::default()
    };
    let mut catalog = CatalogSettings::default();
    let (mut mistakes, mut images) = (Vec::new(), Vec::new());
    let mut places = Places::new(place);
    let mut all_toml = true;
    for file in files {
        let reading = Reading::new(file);
        let mut whole = reading.whole();
        images.extend(images::read(&mut whole));
        catalog.machines.extend(machines::read_machines(&mut whole));
        catalog.rules.extend(rules::read_rules(&mut whole));
        if file.is_drop_in {
            let why = "belongs to the main file; a drop-in adds images, machines and rules";
            whole.refuse(&server::KEYS, why);
        } else {
            places.networks = server::read(&mut whole, &mut settings);
            rules::read_default(&mut whole, &mut catalog);
            menu::read_menu(&mut whole, &mut catalog.menu);
        }
        whole.finish();
        let read = reading.finish();
        mistakes.extend(read.mistakes);
        places.add(&file.path, read.lines);
        all_toml &= read.is_toml;
    }
    let written = images.iter().filter_map(|image| image.settings.clone());
    catalog.images = written.collect();
    settings.catalog = catalog;
    let mut findings = Findings::new(&places);
    // What is in a file that could not be read would be missed by those that name it.
    let names = all_toml.then_some(images.as_slice());
    references::check(&settings.catalog, names, &mut findings);
    // Where a table of images has another name, that is what is wrong.
    let may_be_image =
        |mistake: &Mistake| !mistake.about.contains('.') || mistake.about.starts_with("image");
    if images.is_empty() && all_toml && !mistakes.iter().any(may_be_image) {
        references::no_image(&mut findings);
    }
    contradictions::check(&settings, mistakes.is_empty(), &mut findings);
    mistakes.extend(findings.mistakes);
    let mut doubts = findings.doubts;
    places.sort(&mut mistakes);
    places.sort(&mut doubts);
    Parsed {
        settings,
        mistakes,
        doubts,
        places,
    }
}

#[cfg(test)]
mod tests;
