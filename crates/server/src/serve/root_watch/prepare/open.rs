//! From an image's settings to everything that serving it takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use netroot_initramfs::Kernel;

use super::{Job, ReadyImage, ReadyRoot};
use crate::catalog::Image;
use crate::error_chain::with_causes;
use crate::serve::artifacts::signed_chain::FoundChain;
use crate::serve::artifacts::{BootFiles, Content, raspberry_pi};
use crate::serve::events::Event;
use crate::serve::opened::root::{OpenRoot, OpenRootError};
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_watch::boot_files::{Kept, built_initrd, kept_initrd};
use crate::serve::root_watch::image_files;
use crate::serve::root_watch::open_root::open_root;
use crate::serve::unified::UnifiedOwned;
use crate::settings::{ImageSettings, InitrdSource, RootSettings};

/// A root's directory, and what was found in it.
struct Opened {
    image: Image,
    kernel: Content,
    signed: FoundChain,
    initrd: Kept,
    linux: String,
    chosen: Kernel,
    root: ReadyRoot,
}

impl Job {
    pub(super) async fn image(
        &self,
        number: ImageNumber,
        name: &str,
        settings: &ImageSettings,
    ) -> Result<ReadyImage, String> {
        let Some(root) = settings.source.root() else {
            return self.files(number, settings).await;
        };
        let opened = self.open(number, name, settings, root).await?;
        let initrd = match opened.initrd {
            Kept::Found(initrd) => initrd,
            Kept::Absent(fingerprint) => {
                let builds = match &root.initrd {
                    InitrdSource::Build { modules, .. } => Some(modules.clone()),
                    InitrdSource::File(_) => None,
                };
                if let Some(modules) = builds {
                    self.builds.store(true, Ordering::Relaxed);
                    let linux = opened.linux;
                    let event = Event::InitrdBuilding { linux, modules };
                    self.world.timeline.server(event);
                }
                let built = built_initrd(&self.world.file_helper, number, fingerprint).await;
                self.builds.store(false, Ordering::Relaxed);
                let (initrd, notes) = built?;
                for note in notes {
                    self.world.timeline.server(Event::InitrdNote { note });
                }
                initrd
            }
        };
        let request = UnifiedOwned {
            name: opened.image.name.clone(),
            root: Arc::clone(&opened.root.tree),
            settings: root.clone(),
            kernel: opened.chosen,
            initrd: initrd.clone(),
            append: settings.append.clone(),
        };
        let made = self.world.unified.make(request).await;
        let timeline = &self.world.timeline;
        let signed = self.world.artifacts.signed_state_of(&opened.signed);
        timeline.tell_signed(name, &signed, made.unified.is_some());
        if let Some(warning) = made.warning {
            timeline.warn(warning);
        }
        let files = BootFiles::of_root(opened.kernel, initrd, opened.signed);
        let files = files.with_unified(made.unified);
        Ok(ReadyImage {
            image: opened.image.tagged(files.tag()),
            files,
            root: Some(opened.root),
        })
    }

    /// Opens the files of an image that is no root.
    async fn files(
        &self,
        number: ImageNumber,
        settings: &ImageSettings,
    ) -> Result<ReadyImage, String> {
        let (image, files) = image_files::open(&self.world, number, settings).await?;
        Ok(ReadyImage {
            image,
            files,
            root: None,
        })
    }

    /// Opens the directory and its kernel, and looks for the initrd.
    async fn open(
        &self,
        number: ImageNumber,
        name: &str,
        settings: &ImageSettings,
        root: &RootSettings,
    ) -> Result<Opened, String> {
        let tree = open_root(&self.world.root_helper, number, &root.directory).await?;
        let (name, settings, root) = (name.to_owned(), settings.clone(), root.clone());
        let (cache, nfs_port) = (self.cache.clone(), self.start.nfs_port);
        let artifacts = Arc::clone(&self.world.artifacts);
        let opened = tokio::task::spawn_blocking(move || {
            let exported = root.nfsroot.is_none();
            let firmware = exported && raspberry_pi::of_open_root(&tree).is_some();
            let open = OpenRoot::in_tree(&settings, &root, name, tree)?;
            let image = open.image(nfs_port, artifacts.loaders(firmware));
            let (tree, kernel) = (open.root(), open.kernel()?);
            let signed = open.signed_chain();
            let initrd = kept_initrd(&tree, open.chosen(), &root, &cache);
            let chosen = open.chosen().clone();
            let linux = chosen.version.clone();
            let facts = open.facts();
            Ok(Opened {
                image,
                kernel,
                signed,
                initrd,
                linux,
                chosen,
                root: ReadyRoot {
                    tree,
                    settings: root.clone(),
                    facts,
                },
            })
        });
        let opened = opened.await.map_err(|error| error.to_string())?;
        opened.map_err(|error: OpenRootError| with_causes(&error))
    }
}
