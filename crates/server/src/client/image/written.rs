//! What the configuration says, for where no server runs that could be asked.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::config;
use crate::serve::config_files::Snapshot;
use crate::settings::{self, ConfigPlace};

/// What the configuration says of an image.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The root that it names.
    pub(super) root: Option<PathBuf>,
    /// The server's state folder.
    pub(super) state: Option<PathBuf>,
}

impl Written {
    /// Reads it of the image `image`. Where there is none, a directory is served by the command line, which is not known.
    ///
    /// # Errors
    /// It cannot be read, or the file that was named is not there.
    pub(super) fn read(config: Option<&Path>, image: &str) -> Result<Self> {
        let place = ConfigPlace::of_file(config.unwrap_or(Path::new(settings::CONFIG)).to_owned());
        let snapshot = Snapshot::read(&place)?;
        if snapshot.files.is_empty() {
            if let Some(config) = config {
                bail!("there is no configuration {}", config.display());
            }
            return Ok(Self::default());
        }
        // What is wrong with it may be why the server does not start.
        let read = config::read(&place, &snapshot.files).settings;
        let mut images = read.catalog.images.iter();
        let image = images.find(|one| one.name.as_deref() == Some(image));
        let root = image.and_then(|image| image.source.root());
        Ok(Self {
            root: root.map(|root| root.directory.clone()),
            state: Some(read.state.clone()),
        })
    }
}
