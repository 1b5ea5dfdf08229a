//! What is to be followed, as it is known when the server starts.

use std::path::PathBuf;
use std::sync::Arc;

use netroot_initramfs::RootTree;
use netroot_nfs_export::ExportOptions;

use super::configured::Configured;
use super::image_files::FollowedFiles;
use super::root::{Places, Root};
use crate::serve::artifacts::BootFiles;
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_facts::Facts;
use crate::settings::{ImageSettings, RootSettings};

/// An image that is followed.
#[derive(Debug)]
pub(crate) struct FollowedImage {
    /// Its number in the configuration that is served.
    pub(crate) number: ImageNumber,
    /// Its name.
    pub(crate) name: String,
    /// As it is configured.
    pub(crate) settings: RootSettings,
    /// The root, by its place among those that are followed.
    pub(crate) root: usize,
    /// What was found when what is served was made.
    pub(crate) served: Facts,
}

/// What is to be followed, as the server starts.
#[derive(Debug)]
pub(crate) struct FollowedRoots {
    pub(super) roots: Vec<Root>,
    pub(super) images: Vec<FollowedImage>,
    pub(super) files: Vec<FollowedFiles>,
    /// `--ipxe`.
    pub(super) loaders: Option<PathBuf>,
    pub(super) cache: PathBuf,
    pub(super) places: Places,
    pub(super) configured: Option<Configured>,
}

impl FollowedRoots {
    /// Nothing but the boot loaders in the folder `loaders` (`--ipxe`); initrds are kept in `cache`.
    pub(crate) fn new(loaders: Option<PathBuf>, cache: PathBuf) -> Self {
        Self {
            roots: Vec::new(),
            images: Vec::new(),
            files: Vec::new(),
            loaders,
            cache,
            places: Places::default(),
            configured: None,
        }
    }

    /// The configuration is followed, too.
    pub(crate) fn follow_configuration(&mut self, configured: Configured) {
        self.configured = Some(configured);
    }

    /// The image with this number, whose root in `tree` is exported with `options`, if at all.
    pub(crate) fn add(
        &mut self,
        tree: Arc<RootTree>,
        options: Option<ExportOptions>,
        number: ImageNumber,
        image: impl FnOnce(ImageNumber, usize) -> FollowedImage,
    ) {
        let mut roots = self.roots.iter();
        let root = roots.position(|root| root.directory() == tree.path());
        let root = root.unwrap_or(self.roots.len());
        let image = image(number, root);
        match self.roots.get_mut(root) {
            Some(root) => root.also_of(&image.name),
            None => {
                let name = image.name.clone();
                let places = self.places.clone();
                self.roots
                    .push(Root::new(tree, number, name, options, places));
            }
        }
        self.images.push(image);
    }

    /// The image with this number, which has no root.
    pub(crate) fn add_files(
        &mut self,
        number: ImageNumber,
        settings: ImageSettings,
        files: &BootFiles,
    ) {
        self.files.push(FollowedFiles::new(number, settings, files));
    }

    /// The directories, for who only compares.
    pub(crate) fn places(&self) -> Places {
        self.places.clone()
    }
}
