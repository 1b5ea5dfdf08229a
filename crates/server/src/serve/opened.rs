//! An image that is configured, with everything of it open that can be refused: [`root`] is a root, [`files`] any other.

pub(crate) mod files;
pub(crate) mod root;

use std::sync::Arc;

use netroot_proto::pxe::inputs::Loader;

use self::files::OpenFilesError;
use self::root::{OpenRoot, OpenRootError};
use crate::catalog::Image;
use crate::serve::artifacts::BootFiles;
use crate::settings::{ImageSettings, ImageSource};

/// An image cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// A root.
    #[error(transparent)]
    Root(#[from] OpenRootError),
    /// Any other.
    #[error(transparent)]
    Files(#[from] OpenFilesError),
}

/// An image that is open.
#[derive(Debug)]
pub(crate) enum Opened<'a> {
    /// A root: its initrd is still to be found or built.
    Root(Box<OpenRoot<'a>>),
    /// Any other, with its files.
    Files(BootFiles),
}

impl<'a> Opened<'a> {
    /// Opens it.
    pub(crate) fn open(settings: &'a ImageSettings) -> Result<Self, OpenError> {
        Ok(match &settings.source {
            ImageSource::Root(root) => Self::Root(Box::new(OpenRoot::open(settings, root)?)),
            _ => Self::Files(files::open(settings)?),
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
            Self::Files(_) => files::image(settings, loaders),
        }
    }
}
