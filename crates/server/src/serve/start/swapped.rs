//! Starting with the roots that were swapped (`netroot image swap`); without one that cannot be served, as without a drop-in: it
//! must not keep every machine from booting after a power cut.

use crate::catalog::name_of_directory;
use crate::error_chain::with_causes;
use crate::generations;
use crate::serve::error::ServeError;
use crate::serve::events::{Change, Warning};
use crate::settings::{ImageSource, Settings};
use crate::swaps;

/// Gives each image the root that it has by the file, and returns what is wrong with that.
pub(super) fn apply(settings: &mut Settings) -> Vec<Warning> {
    for image in &mut settings.catalog.images {
        // That of the command line: what is remembered of it is remembered by its name.
        if let (None, ImageSource::Root(root)) = (&image.name, &image.source) {
            image.name = name_of_directory(&root.directory).ok();
        }
    }
    let done = swaps::file::at_start(settings).map_err(|error| Warning::SwapNotServed {
        image: None,
        error: error.to_string(),
    });
    done.err().into_iter().collect()
}

/// The images that do not boot the configured root.
pub(super) fn told(settings: &Settings) -> Vec<Change> {
    let images = settings.catalog.images.iter();
    let told = images.filter(|image| !generations::is_one(image));
    let told = told.filter_map(|image| {
        let root = image.source.root()?;
        let configured = root.swapped.as_ref()?.configured.clone();
        (configured != root.directory).then(|| Change::SwapServed {
            image: image.name.clone().unwrap_or_default(),
            root: root.directory.clone(),
            configured,
        })
    });
    told.collect()
}

/// The settings with an earlier root of the image that an error is about, and of its generations, and what is told of that.
/// `None` if it is about none that was swapped, or none is left.
pub(super) fn without(settings: &Settings, error: &ServeError) -> Option<(Settings, Warning)> {
    let ServeError::OfImage { name, .. } = error else {
        return None;
    };
    let mut left = settings.clone();
    left.catalog = generations::without(&left.catalog);
    let mut images = left.catalog.images.iter_mut();
    let image = images.find(|image| image.name.as_ref() == Some(name))?;
    let ImageSource::Root(root) = &mut image.source else {
        return None;
    };
    *root = swaps::roots::earlier(root)?;
    let warning = Warning::SwapNotServed {
        image: Some(name.clone()),
        error: swaps::roots::not_served(name, root, &with_causes(error)),
    };
    generations::at_start(&mut left.catalog);
    Some((left, warning))
}
