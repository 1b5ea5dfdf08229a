//! The images: opened before anything is served, and put where machines fetch from once their initrds are there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use netroot_initramfs::Architecture;
use netroot_nfs_export::HiddenPaths;

use super::left_out::about;
use crate::catalog::Catalog;
use crate::confinement::identity::Identity;
use crate::serve::artifacts::loaders::{self, Loaders};
use crate::serve::artifacts::{
    ArtifactStore, BootFiles, Content, Folder, raspberry_pi, signed_ipxe,
};
use crate::serve::error::ServeError;
use crate::serve::events::{Timeline, Warning};
use crate::serve::initrd::InitrdBuild;
use crate::serve::nfs::Prepared;
use crate::serve::opened::Opened;
use crate::serve::privileged_helper::ImageNumber;
use crate::serve::root_watch::{FollowedImage, FollowedRoots};
use crate::serve::unified::{UnifiedImages, UnifiedRequest};
use crate::settings::Settings;

/// The images that are configured, with their files open.
pub(super) struct Images<'a> {
    settings: &'a Settings,
    /// Each, in the order of the settings, with its root's files for a Raspberry Pi.
    all: Vec<(Opened<'a>, Option<Folder>)>,
    loaders: Loaders,
}

/// The initrds that child processes build, for the images that are roots.
pub(super) struct Builds(Vec<Option<Build>>);

/// One of them.
enum Build {
    /// Of this image.
    Own(InitrdBuild),
    /// That of an earlier image, by its place.
    SameAs(usize),
}

impl<'a> Images<'a> {
    /// Opens them.
    pub(super) fn open(settings: &'a Settings) -> Result<Self, ServeError> {
        let images = settings.catalog.images.iter();
        let opened = images.map(|image| about(image, Opened::open(image)));
        let opened = opened.collect::<Result<Vec<_>, _>>()?;
        let firmware = settings.catalog.images.iter().map(|image| {
            let root = image.source.root().filter(|root| root.nfsroot.is_none())?;
            let folder = raspberry_pi::of_root(&root.directory)?;
            Some(folder.hiding(hidden(settings)))
        });
        Ok(Self {
            settings,
            all: opened.into_iter().zip(firmware).collect(),
            loaders: loaders::find(settings.ipxe.as_deref()),
        })
    }

    /// What machines may boot, and which of them boots what.
    pub(super) fn catalog(&self) -> Result<Catalog, ServeError> {
        let Settings {
            catalog: settings,
            nfs_port,
            tftp_dir,
            ..
        } = self.settings;
        let images = self.all.iter().zip(&settings.images);
        let images = images.map(|((opened, firmware), image)| {
            let mut loaders = self.loaders.by_platform.clone();
            if firmware.is_some() || tftp_dir.is_some() {
                loaders.push(raspberry_pi::loader());
            }
            opened.image(image, *nfs_port, Arc::from(loaders))
        });
        let catalog = Catalog::new(
            images.collect(),
            settings.machines.clone(),
            settings.rules.clone(),
            settings.default.clone(),
            settings.menu.clone(),
        )?;
        Ok(catalog.with_secure_boot(settings.secure_boot))
    }

    /// Has their initrds built, by child processes.
    pub(super) fn start_builds(
        &self,
        identity: Option<Identity>,
        timeline: &Timeline,
    ) -> Result<Builds, ServeError> {
        let images = self.all.iter().zip(&self.settings.catalog.images);
        let builds = images.enumerate().map(|(place, ((opened, _), image))| {
            let Opened::Root(root) = opened else {
                return Ok(None);
            };
            // Images of one root that differ in what is appended, for example.
            let mut earlier = self.all.iter().take(place);
            let same = earlier.position(
                |(other, _)| matches!(other, Opened::Root(other) if other.has_initrd_of(root)),
            );
            if let Some(same) = same {
                return Ok(Some(Build::SameAs(same)));
            }
            let started = root.start_initrd(&self.settings.cache, identity, timeline);
            Ok(Some(Build::Own(about(image, started)?)))
        });
        Ok(Builds(builds.collect::<Result<_, ServeError>>()?))
    }

    /// Waits for the initrds, and puts all that machines fetch into `artifacts`. Returns what is to be followed of it.
    pub(super) fn serve(
        self,
        builds: Builds,
        catalog: &Catalog,
        export: Option<&Prepared>,
        unified: &UnifiedImages,
        artifacts: &ArtifactStore,
        timeline: &Timeline,
    ) -> Result<FollowedRoots, ServeError> {
        let settings = self.settings;
        let mut loaders = self.loaders;
        put_loaders(artifacts, &mut loaders, timeline);
        let mut followed = FollowedRoots::new(settings.ipxe.clone(), settings.cache.clone());
        let written = &settings.catalog;
        let configured = written.images.iter().zip(catalog.images());
        let images = self.all.into_iter().zip(builds.0).zip(configured);
        let mut firmware = Vec::new();
        let mut architectures = Vec::new();
        let mut made: BTreeMap<usize, Content> = BTreeMap::new();
        for (place, (((opened, folder), build), (settings, image))) in images.enumerate() {
            firmware.push((image, folder));
            let number = ImageNumber::of(0, written, place);
            let (open, build) = match (opened, build) {
                (Opened::Root(open), Some(build)) => (open, build),
                (Opened::Files(files), _) => {
                    // Nobody says which processor they are for; most are for PCs.
                    architectures.push(Architecture::X86_64);
                    followed.add_files(number, settings.clone(), &files);
                    artifacts.put_image(image.tagged(files.tag()), files);
                    continue;
                }
                (Opened::Root(_), None) => continue,
            };
            let initrd = match build {
                Build::Own(build) => about(settings, build.finish(|event| timeline.server(event)))?,
                Build::SameAs(earlier) => match made.get(&earlier) {
                    Some(initrd) => initrd.clone(),
                    None => continue,
                },
            };
            made.insert(place, initrd.clone());
            architectures.push(open.chosen().architecture);
            let signed = open.signed_chain();
            let made = unified.of_root(&UnifiedRequest {
                name: &image.name,
                root: &open.root(),
                settings: open.settings(),
                kernel: open.chosen(),
                initrd: &initrd,
                append: settings.append.as_deref(),
            });
            let is_unified = made.unified.is_some();
            let state = artifacts.signed_state_of(&signed);
            timeline.tell_signed(&image.name, &state, is_unified);
            if let Some(warning) = made.warning {
                timeline.warn(warning);
            }
            let files = BootFiles::of_root(about(settings, open.kernel())?, initrd, signed);
            let files = files.with_unified(made.unified);
            artifacts.put_image(image.tagged(files.tag()), files);
            let (tree, directory) = (open.root(), open.root().path().to_owned());
            let options = export.and_then(|export| export.options(&directory));
            followed.add(tree, options.cloned(), number, |number, root| {
                FollowedImage {
                    number,
                    name: image.name.clone(),
                    settings: open.settings().clone(),
                    root,
                    served: open.facts(),
                }
            });
        }
        for (image, folder) in firmware {
            artifacts.put_firmware(&image.name, folder);
        }
        for missing in loaders.missed(&architectures) {
            timeline.warn(missing.into());
        }
        Ok(followed)
    }
}

fn put_loaders(artifacts: &ArtifactStore, loaders: &mut Loaders, timeline: &Timeline) {
    let signed = std::mem::take(&mut loaders.signed);
    for error in signed_ipxe::faults(&signed) {
        timeline.warn(Warning::SignedIpxe { error });
    }
    let files = std::mem::take(&mut loaders.files);
    artifacts.put_loaders(files, &loaders.by_platform, signed);
}

/// `--tftp-dir`, without what the images hide.
pub(super) fn tftp_dir(settings: &Settings) -> Result<Option<Folder>, ServeError> {
    let folder = settings.tftp_dir.as_deref().map(Folder::open_path);
    let folder = folder.transpose()?;
    Ok(folder.map(|folder| folder.hiding(hidden(settings))))
}

fn hidden(settings: &Settings) -> impl Iterator<Item = (&Path, &HiddenPaths)> {
    let roots = settings.catalog.roots();
    roots.map(|(_, root)| (root.directory.as_path(), &root.hidden))
}
