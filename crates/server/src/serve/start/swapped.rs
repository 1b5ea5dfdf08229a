//! Starting with the roots that were exchanged (`netroot image swap`); without one that cannot be served, as without a drop-in:
//! it must not keep every machine from booting after a power cut.

use crate::error_chain::with_causes;
use crate::serve::error::ServeError;
use crate::serve::events::Warning;
use crate::settings::{ImageSource, Settings};
use crate::swaps;

/// Gives each image the root that it has by the file, and returns what is wrong with that.
pub(super) fn apply(settings: &mut Settings) -> Vec<Warning> {
    let file = swaps::file::path(&settings.state);
    let read = match swaps::file::read(&file) {
        Ok(read) => read,
        Err(error) => {
            let error = error.to_string();
            return vec![Warning::SwapNotServed { error }];
        }
    };
    let idle = swaps::apply(&mut settings.catalog, &read, &file).into_iter();
    idle.map(|error| Warning::SwapNotServed { error }).collect()
}

/// The settings with the configured root of the image that an error is about, and what is told of that. `None` if it is about
/// none whose root was exchanged.
pub(super) fn without(settings: &Settings, error: &ServeError) -> Option<(Settings, Warning)> {
    let mut left = settings.clone();
    let is_meant = |name: &Option<String>| match error {
        ServeError::OfImage { name: of, .. } => name.as_deref() == Some(of),
        // That of the command line.
        _ => settings.config.is_none(),
    };
    for image in &mut left.catalog.images {
        let name = image.name.clone().unwrap_or_default();
        let ImageSource::Root(root) = &mut image.source else {
            continue;
        };
        if !is_meant(&image.name) {
            continue;
        }
        let Some(without) = swaps::without_swap(root) else {
            continue;
        };
        let told = Warning::SwapNotServed {
            error: format!(
                "{name}: {} cannot be served, machines boot {} as configured: {}; `netroot image rollback {name}` makes \
                 that the root again",
                root.directory.display(),
                without.directory.display(),
                with_causes(error)
            ),
        };
        *root = without;
        return Some((left, told));
    }
    None
}
