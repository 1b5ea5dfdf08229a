//! A configured image with its directory open, its kernel chosen, and its initrd given or being built.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_initramfs::{Kernel, KernelError, RootTree, RootTreeError, choose_kernel};
use netroot_proto::pxe::inputs::Loader;

use crate::catalog::{
    Image, ImageKind, KernelFile, RootImage, RootLocation, export_path, name_of_directory,
    tree_path,
};
use crate::confinement::identity::Identity;
use crate::live_folder::{self, LiveFolder};
use crate::serve::artifacts::Content;
use crate::serve::artifacts::signed_chain::{self, FoundChain};
use crate::serve::events::{Event, Timeline};
use crate::serve::initrd::{self, InitrdBuild, InitrdError, InitrdRequest};
use crate::serve::root_facts::{Facts, look};
use crate::settings::{ImageSettings, InitrdSource, RootSettings};
use crate::unified_image::{self, Ingredients, UnifiedImageError};

/// A root cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenRootError {
    /// The directory cannot be used.
    #[error("cannot serve the directory {}", dir.display())]
    Directory {
        /// As given.
        dir: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its files cannot be used.
    #[error(transparent)]
    Root(#[from] RootTreeError),
    /// It is a live image's folder.
    #[error(transparent)]
    LiveFolder(#[from] LiveFolder),
    /// It has no usable kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What is hidden is not served over TFTP and HTTP either.
    #[error(
        "the kernel {} is hidden (--hide), and machines need it; choose another with --kernel, or hide less",
        path.display()
    )]
    HiddenKernel {
        /// Where it is.
        path: PathBuf,
    },
    /// The kernel's file cannot be served.
    #[error("the kernel {} cannot be served", path.display())]
    KernelFile {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// A root whose directory is open.
#[derive(Debug)]
pub(crate) struct OpenRoot<'a> {
    settings: &'a ImageSettings,
    root_settings: &'a RootSettings,
    name: String,
    root: Arc<RootTree>,
    kernel: Kernel,
    /// What was there then.
    facts: Facts,
}

impl<'a> OpenRoot<'a> {
    /// Opens the directory and chooses the kernel.
    pub(crate) fn open(
        settings: &'a ImageSettings,
        root_settings: &'a RootSettings,
    ) -> Result<Self, OpenRootError> {
        let name = match &settings.name {
            Some(name) => name.clone(),
            None => name_of_directory(&root_settings.directory).map_err(|source| {
                OpenRootError::Directory {
                    dir: root_settings.directory.clone(),
                    source,
                }
            })?,
        };
        let root = RootTree::open(&root_settings.directory)?;
        Self::in_tree(settings, root_settings, name, root)
    }

    /// The same of a directory that is open already.
    pub(crate) fn in_tree(
        settings: &'a ImageSettings,
        root_settings: &'a RootSettings,
        name: String,
        root: RootTree,
    ) -> Result<Self, OpenRootError> {
        // Kernel and modules are those that machines will see.
        let root = match root_settings.submounts || root_settings.nfsroot.is_some() {
            true => root,
            false => root.without_mounts(),
        };
        if matches!(root_settings.initrd, InitrdSource::Build { .. }) {
            live_folder::refuse(&root, &root_settings.directory)?;
        }
        let kernel = choose_kernel(&root, root_settings.kernel.as_deref())?;
        if root_settings.hidden.hide(&kernel.path) {
            return Err(OpenRootError::HiddenKernel {
                path: root.host_path(&kernel.path),
            });
        }
        let facts = look(&root, root_settings);
        Ok(Self {
            settings,
            root_settings,
            name,
            root: Arc::new(root),
            kernel,
            facts,
        })
    }

    /// What machines boot; `nfs_port` is the port of the export.
    pub(crate) fn image(&self, nfs_port: u16, loaders: Arc<[Loader]>) -> Image {
        let location = match &self.root_settings.nfsroot {
            Some(nfsroot) => RootLocation::Elsewhere(nfsroot.clone()),
            None => RootLocation::Own {
                // Each machine mounts the tree that its kernel and initrd are of, whatever happens meanwhile.
                path: match &self.root_settings.swapped {
                    Some(swapped) => tree_path(&self.name, swapped.tree),
                    None => export_path(&self.name),
                },
                directory: self.root_settings.directory.clone(),
                port: nfs_port,
                hidden: self.root_settings.hidden.clone(),
                submounts: self.root_settings.submounts,
                swapped: self.root_settings.swapped.clone().map(Box::new),
            },
        };
        Image {
            name: self.name.clone(),
            title: self.settings.title.clone(),
            loaders,
            unified_loaders: None,
            kernel_shim: false,
            append: self.settings.append.clone(),
            tag: String::new(),
            kind: ImageKind::Root(RootImage {
                location,
                kernel: KernelFile {
                    version: self.kernel.version.clone(),
                    architecture: self.kernel.architecture,
                    path: self.root.host_path(&self.kernel.path),
                    start: self.kernel.start.clone(),
                },
                initrd: self.root_settings.initrd.clone(),
                overlay: self.root_settings.overlay,
            }),
            nic: None,
        }
    }

    /// Opens the kernel's file; of a unified kernel image, the kernel.
    pub(crate) fn kernel(&self) -> Result<Content, OpenRootError> {
        let file = self.root.open_file(&self.kernel.path)?;
        let whole = Content::from_regular(file).map_err(|source| OpenRootError::KernelFile {
            path: self.root.host_path(&self.kernel.path),
            source,
        })?;
        Ok(match self.kernel.part {
            Some(part) => whole.part(part.offset, part.length),
            None => whole,
        })
    }

    /// What starts that kernel on machines with Secure Boot.
    pub(crate) fn signed_chain(&self) -> FoundChain {
        signed_chain::find(&self.root, &self.kernel, self.root_settings)
    }

    /// The kernel that was chosen.
    pub(crate) fn chosen(&self) -> &Kernel {
        &self.kernel
    }

    /// What was found when it was opened.
    pub(crate) fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// The root's directory.
    pub(crate) fn root(&self) -> Arc<RootTree> {
        Arc::clone(&self.root)
    }

    /// The image.
    pub(crate) fn image_settings(&self) -> &'a ImageSettings {
        self.settings
    }

    /// How its root is configured.
    pub(crate) fn settings(&self) -> &RootSettings {
        self.root_settings
    }

    /// Looks whether there can be an initrd.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_initrd(&self, identity: Option<Identity>) -> Result<(), InitrdError> {
        match &self.root_settings.initrd {
            InitrdSource::File(path) => InitrdBuild::given(path).map(drop),
            InitrdSource::Build { modules, init } => {
                initrd::check(&self.request(modules, init.as_deref()), identity)
            }
        }
    }

    /// Looks whether there can be a unified kernel image, if there is to be one.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_unified(&self) -> Result<(), UnifiedImageError> {
        if !self.root_settings.uki {
            return Ok(());
        }
        let (kernel, overlay) = (&self.kernel, self.root_settings.overlay);
        let append = self.settings.append.as_deref();
        let line = unified_image::command_line(&self.name, kernel, None, overlay, append);
        unified_image::check(&Ingredients {
            root: &self.root,
            hidden: &self.root_settings.hidden,
            kernel,
            // It is built later.
            initrd_length: 1,
            stub: None,
            command_line: &line.line,
            signer: None,
        })
    }

    fn request<'b>(&'b self, modules: &'b str, init: Option<&'b Path>) -> InitrdRequest<'b> {
        InitrdRequest {
            root: &self.root,
            kernel: &self.kernel,
            modules,
            init,
        }
    }

    /// Whether another image's initrd is the same, made from the same files.
    pub(crate) fn has_initrd_of(&self, other: &Self) -> bool {
        self.root.path() == other.root.path()
            && self.kernel.path == other.kernel.path
            && self.root_settings.initrd == other.root_settings.initrd
    }

    /// Opens the initrd, or starts to build it.
    pub(crate) fn start_initrd(
        &self,
        cache: &Path,
        identity: Option<Identity>,
        timeline: &Timeline,
    ) -> Result<InitrdBuild, InitrdError> {
        let (modules, init) = match &self.root_settings.initrd {
            InitrdSource::File(path) => return InitrdBuild::given(path),
            InitrdSource::Build { modules, init } => (modules, init),
        };
        let request = self.request(modules, init.as_deref());
        let build = initrd::start(&request, cache, identity)?;
        if matches!(build, InitrdBuild::Running { .. }) {
            timeline.server(Event::InitrdBuilding {
                linux: self.kernel.version.clone(),
                modules: modules.clone(),
            });
        }
        Ok(build)
    }
}
