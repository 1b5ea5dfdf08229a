//! The configuration in files: `netroot.toml` and the drop-ins beside it, in TOML.
//!
//! ```text
//! file → tables → values            section: each with its line; every mistake names what was expected
//! values → Settings                 server, images, machines
//! Settings → what contradicts       references: names that do not exist, or twice
//! ```
//!
//! All files are one configuration: it is valid as a whole or not at all. `examples/netroot.toml` has every key.

mod images;
mod machines;
mod mistake;
mod references;
mod section;
mod server;
mod source;

use std::path::PathBuf;

use crate::settings::{CatalogSettings, ConfigPlace, Settings};

pub(crate) use self::mistake::{Mistake, Mistakes};

use self::section::Reading;
use self::source::SourceFile;

/// The text of each file of a configuration with its path, in their order.
type Texts = [(PathBuf, String)];

/// Everything that the files configure.
///
/// # Errors
/// All mistakes in them, in the order of the files.
pub(crate) fn parse(place: &ConfigPlace, texts: &Texts) -> Result<Settings, Mistakes> {
    parse_files(place, &sources(place, texts))
}

/// What can be started with: where mistakes are in drop-ins alone, the configuration without those, and the mistakes.
/// One package's drop-in must not keep every machine from booting after a power cut.
///
/// # Errors
/// Mistakes that leaving out drop-ins does not cure.
pub(crate) fn parse_to_start(
    place: &ConfigPlace,
    texts: &Texts,
) -> Result<(Settings, Vec<Mistake>), Mistakes> {
    let mut files = sources(place, texts);
    let mut left_out = Vec::new();
    loop {
        let mistakes = match parse_files(place, &files) {
            Ok(settings) => return Ok((settings, left_out)),
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
    let source = |(path, text): &(PathBuf, String)| SourceFile {
        path: path.clone(),
        text: text.clone(),
        is_drop_in: *path != place.file,
    };
    texts.iter().map(source).collect()
}

fn parse_files(place: &ConfigPlace, files: &[SourceFile]) -> Result<Settings, Mistakes> {
    let mut settings = server::defaults();
    let mut catalog = CatalogSettings::default();
    let mut mistakes = Vec::new();
    let mut places = references::Places::of(place);
    for file in files {
        let reading = Reading::new(file);
        let mut whole = reading.whole();
        catalog.images.extend(images::read(&mut whole));
        catalog.machines.extend(machines::read_machines(&mut whole));
        catalog.rules.extend(machines::read_rules(&mut whole));
        if file.is_drop_in {
            let why = "belongs to the main file; a drop-in adds images, machines and rules";
            whole.refuse(&server::KEYS, why);
        } else {
            server::read(&mut whole, &mut settings);
            machines::read_default(&mut whole, &mut catalog, &mut places);
            machines::read_menu(&mut whole, &mut catalog.menu, &mut places);
        }
        whole.finish();
        mistakes.extend(reading.finish());
    }
    // A table that could not be read would be missed by those that name it.
    if mistakes.is_empty() {
        mistakes = references::check(&catalog, &places, files);
    }
    settings.catalog = catalog;
    settings.config = Some(place.clone());
    match mistakes.is_empty() {
        true => Ok(settings),
        false => Err(Mistakes(mistakes)),
    }
}

#[cfg(test)]
mod tests;
