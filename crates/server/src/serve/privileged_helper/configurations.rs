//! The configurations in which a helper finds the images that it is asked for: that of the start, and those that it has read
//! since.

use std::borrow::Cow;

use super::request::ImageNumber;
use crate::generations;
use crate::serve::config_files::{self, FollowedPaths, Snapshot};
use crate::settings::{ImageSettings, ImageSource, Settings};
use crate::swaps;

/// That of the start, the one that is served, and one that may take its place.
#[derive(Debug)]
pub(super) struct Configurations<'a> {
    start: &'a Settings,
    /// With their digests.
    read: Vec<(u64, Vec<ImageSettings>)>,
}

impl<'a> Configurations<'a> {
    pub(super) fn new(start: &'a Settings) -> Self {
        Self {
            start,
            read: Vec::new(),
        }
    }

    /// An image, if there is such a one.
    pub(super) fn image(&self, number: ImageNumber) -> Option<Cow<'_, ImageSettings>> {
        let images = match number.configuration {
            0 => &self.start.catalog.images,
            digest => {
                let mut read = self.read.iter();
                read.find_map(|(known, images)| (*known == digest).then_some(images))?
            }
        };
        let image = images.get(usize::from(number.image))?;
        let image = match number.tree {
            0 => Cow::Borrowed(image),
            tree => Cow::Owned(of_tree(image, tree)?),
        };
        match number.generation {
            0 => Some(image),
            generation => generations::of_number(&image, generation).map(Cow::Owned),
        }
    }

    /// Reads the configuration as it is now. Its images can be named from now on, and those of the configuration `served`.
    ///
    /// # Errors
    /// Why it cannot be read. One that is wrong has no images, and is none.
    pub(super) fn read(&mut self, served: u64) -> Result<Snapshot, String> {
        let followed = FollowedPaths::of(self.start);
        let snapshot = Snapshot::of(&followed).map_err(|error| error.to_string())?;
        let digest = snapshot.digest();
        self.read.retain(|(known, _)| *known == served);
        if digest != served
            && let Ok(settings) = config_files::settings(&snapshot, self.start)
        {
            self.read.push((digest, settings.catalog.images));
        }
        Ok(snapshot)
    }
}

/// The image with one of the directories that are or were its root.
fn of_tree(image: &ImageSettings, tree: u32) -> Option<ImageSettings> {
    let root = swaps::roots::with_number(image.source.root()?, tree)?;
    Some(ImageSettings {
        source: ImageSource::Root(root),
        ..image.clone()
    })
}
