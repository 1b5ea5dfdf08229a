//! An image that is configured, with everything of it open that can be refused.

use std::sync::Arc;

use netroot_proto::pxe::inputs::Loader;

use crate::catalog::Image;
use crate::serve::artifacts::BootFiles;
use crate::serve::error::ServeError;
use crate::serve::open_files;
use crate::serve::open_image::OpenImage;
use crate::settings::{ImageSettings, ImageSource};

/// An image that is open.
#[derive(Debug)]
pub(crate) enum Opened<'a> {
    /// A root: its initrd is still to be found or built.
    Root(Box<OpenImage<'a>>),
    /// Any other, with its files.
    Files(BootFiles),
}

impl<'a> Opened<'a> {
    /// Opens it.
    pub(crate) fn open(settings: &'a ImageSettings) -> Result<Self, ServeError> {
        Ok(match &settings.source {
            ImageSource::Root(root) => Self::Root(Box::new(OpenImage::open(settings, root)?)),
            _ => Self::Files(open_files::open(settings)?),
        })
    }

    /// What machines boot; `nfs_port` is the port of the export.
    pub(crate) fn image(
        &self,
        settings: &ImageSettings,
        nfs_port: u16,
        loaders: Arc<[Loader]>,
    ) -> Image {
        match self {
            Self::Root(open) => open.image(nfs_port, loaders),
            Self::Files(_) => open_files::image(settings, loaders),
        }
    }
}
