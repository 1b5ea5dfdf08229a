//! The files of images that are no root: a kernel, an EFI program or the image of a disk is written anew.

use std::sync::Arc;
use std::time::Instant;

use super::settling::{Counts, Quiet};
use super::world::World;
use crate::catalog::Image;
use crate::serve::artifacts::{BootFiles, Content};
use crate::serve::events::{Change, Event, Warning};
use crate::serve::opened::files::{self, OpenFilesError};
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_facts::Stamp;
use crate::settings::ImageSettings;

/// What each file was; `None` where nothing is at its path.
type Stamps = Vec<Option<Stamp>>;

/// An image whose files are followed.
#[derive(Debug)]
pub(crate) struct FollowedFiles {
    number: ImageNumber,
    settings: ImageSettings,
    served: Stamps,
    quiet: Quiet<Stamps>,
}

impl FollowedFiles {
    /// An image with this number in the settings, whose `files` are served.
    pub(crate) fn new(number: ImageNumber, settings: ImageSettings, files: &BootFiles) -> Self {
        Self {
            number,
            settings,
            served: files.stamps(),
            quiet: Quiet::default(),
        }
    }

    /// The image's name.
    pub(super) fn name(&self) -> &str {
        self.settings.name.as_deref().unwrap_or_default()
    }

    /// The same image in a configuration that says nothing new of it.
    pub(super) fn renumbered(self, number: ImageNumber) -> Self {
        Self { number, ..self }
    }

    pub(super) fn forget_failures(&mut self) {
        self.quiet.forget_failures();
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.quiet.is_unsettled()
    }

    /// Serves what has been exchanged. Returns what to tell.
    pub(super) async fn look(&mut self, world: &World) -> Option<Event> {
        let settings = self.settings.clone();
        let stamps = move || -> Stamps {
            let paths = settings.source.files().into_iter();
            paths.map(Stamp::of_path).collect()
        };
        let now = tokio::task::spawn_blocking(stamps).await.ok()?;
        // One that is removed is served on: it is open.
        let now: Stamps = (now.into_iter().zip(&self.served))
            .map(|(now, served)| now.or(*served))
            .collect();
        if self.quiet.counts(&self.served, &now, Instant::now()) != Counts::Now {
            return None;
        }
        let image = self.name().to_owned();
        match open(world, self.number, &self.settings).await {
            Ok((new, files)) => {
                self.served = files.stamps();
                world.artifacts.put_image(new, files);
                Some(Event::Change(Change::ImageChanged { image }))
            }
            Err(error) => {
                self.quiet.done_with(now);
                Some(Event::Warning(Warning::ImageKept { image, error }))
            }
        }
    }
}

/// Has the files of such an image opened, and looks whether they are what they are configured as.
pub(super) async fn open(
    world: &World,
    number: ImageNumber,
    settings: &ImageSettings,
) -> Result<(Image, BootFiles), String> {
    let mut opened = Vec::new();
    for (place, _) in (0..).zip(settings.source.files()) {
        let file = world.file_helper.file(number, place).await;
        let file = file.map_err(|error| error.to_string())?;
        let content = Content::from_regular(file.into()).map_err(|error| error.to_string())?;
        opened.push(content);
    }
    let (settings, artifacts) = (settings.clone(), Arc::clone(&world.artifacts));
    let checked = tokio::task::spawn_blocking(move || {
        let files = files::checked(&settings, opened)?;
        let image = files::image(&settings, artifacts.loaders(false));
        Ok((image.tagged(files.tag()), files))
    });
    let checked = checked.await.map_err(|error| error.to_string())?;
    checked.map_err(|error: OpenFilesError| error.to_string())
}
