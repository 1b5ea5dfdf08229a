//! From a configuration that is ready to what is served: exports, catalog and files are exchanged, each as a whole.
//!
//! The new exports come before the scripts that name them. What an old export has shown stays open for who has mounted it.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netroot_initramfs::RootTree;
use netroot_nfs_export::{ExportOptions, HiddenPaths};

use super::RootWatch;
use super::followed::FollowedImage;
use super::image::Image as Followed;
use super::image_files::FollowedFiles;
use super::open_root::open_root;
use super::prepare::{Ready, ReadyImage};
use super::reconfigure::{swapped, told};
use super::root::Root;
use crate::catalog::{Catalog, Image, RootLocation};
use crate::error_chain::with_causes;
use crate::serve::artifacts::{Exchange, Folder, raspberry_pi};
use crate::serve::events::{Event, Warning};
use crate::serve::nfs::{self, Step};
use crate::serve::privileged_helper::ImageNumber;
use crate::settings::CatalogSettings;

/// What came of exporting other directories.
#[derive(Debug, Default)]
pub(super) struct Exported {
    /// Those that machines may run from, but do not boot, and that cannot be opened.
    missing: Vec<PathBuf>,
    warnings: Vec<Warning>,
}

/// The roots' directories that were opened for a change, by their paths.
pub(super) type Trees = BTreeMap<PathBuf, Arc<RootTree>>;

impl RootWatch {
    /// Serves it, or leaves everything as it was.
    pub(super) async fn apply(&mut self, ready: Ready) -> Result<Vec<Event>, String> {
        let Ready {
            digest,
            catalog: settings,
            comparison,
            images: mut prepared,
            ..
        } = ready;
        let catalog = self.catalog(&settings, &prepared)?;
        let mut trees: Trees = BTreeMap::new();
        for root in prepared.iter().filter_map(|ready| ready.root.as_ref()) {
            let tree = trees.entry(root.tree.path().to_owned());
            tree.or_insert_with(|| Arc::clone(&root.tree));
        }
        let mut step = self.export_step(&catalog);
        let exported = self.export(digest, &settings, &step, &mut trees).await?;
        let Exported { missing, warnings } = exported;
        // They are looked for again.
        step.all
            .retain(|(directory, _)| !missing.contains(directory));

        let images: Vec<&Image> = catalog.images().collect();
        let firmware = firmware(&images, &prepared, &step, &trees);
        let hidden: Vec<(PathBuf, HiddenPaths)> = images.iter().filter_map(own_root).collect();
        let hidden = hidden.iter().map(|(path, hidden)| (path.as_path(), hidden));
        let folder = self.world.artifacts.folder_hiding(hidden);
        let boots = prepared
            .iter()
            .map(|ready| (ready.image.name.clone(), ready.files.clone()));
        let boots = boots.collect();
        self.world.artifacts.exchange(Exchange {
            catalog,
            boots,
            firmware,
            // Out of descriptors: it hides what it hid.
            folder: folder.unwrap_or_default(),
        });
        let before = self.configured.as_ref();
        let swapped = before.map(|before| swapped(&before.catalog, &settings));
        let swapped = swapped.unwrap_or_default();
        self.follow(digest, &settings, &mut prepared, &step, &trees);
        if let Some(configured) = &mut self.configured {
            configured.catalog = settings;
            configured.exports = step.all;
        }
        let mut events = told(&comparison, &swapped);
        events.extend(warnings.into_iter().map(Event::Warning));
        Ok(events)
    }

    /// The images that were prepared, and the others as they are served now.
    fn catalog(
        &self,
        settings: &CatalogSettings,
        prepared: &[ReadyImage],
    ) -> Result<Catalog, String> {
        let now = self.world.artifacts.catalog();
        let mut images = Vec::new();
        for image in &settings.images {
            let name = image.name.as_deref().unwrap_or_default();
            let mut ready = prepared.iter().map(|ready| &ready.image);
            let ready = ready.find(|image| image.name == name);
            let image = ready.or_else(|| now.image(name));
            images.push(image.ok_or("an image is missing; this is a bug")?.clone());
        }
        let catalog = Catalog::new(
            images,
            settings.machines.clone(),
            settings.rules.clone(),
            settings.default.clone(),
            settings.menu.clone(),
        );
        let catalog = catalog.map(|it| it.with_secure_boot(settings.secure_boot));
        catalog.map_err(|error| with_causes(&error))
    }

    fn export_step(&self, catalog: &Catalog) -> Step {
        let Some(configured) = &self.configured else {
            return Step::default();
        };
        let terms = configured.terms.as_ref();
        let wanted = terms.map(|terms| {
            let mut wanted = nfs::exported(catalog, terms);
            keep_names(&configured.exports, &mut wanted);
            terms.name_handles(&mut wanted);
            wanted
        });
        Step::between(&configured.exports, wanted.unwrap_or_default())
    }

    /// Opens what is exported anew, and exchanges the exports.
    pub(super) async fn export(
        &self,
        configuration: u64,
        settings: &CatalogSettings,
        step: &Step,
        trees: &mut Trees,
    ) -> Result<Exported, String> {
        let mut exported = Exported::default();
        let Some(server) = self.world.nfs.clone() else {
            return Ok(exported);
        };
        let mut put = Vec::new();
        let mut removed = step.removed.clone();
        for (directory, options) in &step.open {
            let tree = match trees.get(directory) {
                Some(tree) => Arc::clone(tree),
                // None of its images has changed, but what they show together has.
                // Or it is only kept for machines that run from it.
                None => {
                    let place = place_of(settings, directory);
                    let image = ImageNumber::of_tree(configuration, settings, place);
                    let helper = &self.world.root_helper;
                    let opened = match open_root(helper, image, directory).await {
                        Ok(opened) => opened,
                        // Not with what is hidden by now.
                        Err(_) if !nfs::is_booted(options) => {
                            removed.extend(options.names.first().cloned());
                            exported.missing.push(directory.clone());
                            continue;
                        }
                        Err(error) => return Err(error),
                    };
                    let tree = Arc::new(opened);
                    trees.insert(directory.clone(), Arc::clone(&tree));
                    tree
                }
            };
            let options = options.clone();
            let opened = tokio::task::spawn_blocking(move || nfs::open(&tree, options));
            let opened = opened.await.map_err(|error| error.to_string())?;
            let (export, more) = opened.map_err(|error| with_causes(&error))?;
            put.push(export);
            exported.warnings.extend(more);
        }
        let exchanged = server.exchange(netroot_nfs_export::Exchange {
            removed,
            renamed: step.renamed.clone(),
            put,
        });
        exchanged.map_err(|error| with_causes(&error))?;
        Ok(exported)
    }

    /// Follows the roots and images of the new configuration from now on.
    fn follow(
        &mut self,
        configuration: u64,
        settings: &CatalogSettings,
        prepared: &mut Vec<ReadyImage>,
        step: &Step,
        trees: &Trees,
    ) {
        let mut old_roots = std::mem::take(&mut self.roots);
        let mut old_images = std::mem::take(&mut self.images);
        for (place, root) in settings.roots() {
            let Some(name) = settings.images.get(place).and_then(|one| one.name.clone()) else {
                continue;
            };
            let number = ImageNumber::of(configuration, settings, place);
            let options = step.all.iter().find(|(path, _)| *path == root.directory);
            let options = options.map(|(_, options)| options.clone());
            let known = |roots: &[Root]| {
                let mut roots = roots.iter();
                roots.position(|known| known.directory() == root.directory)
            };
            let opened = step.open.iter().any(|(path, _)| *path == root.directory);
            let at = match known(&self.roots) {
                Some(at) => {
                    if let Some(root) = self.roots.get_mut(at) {
                        root.also_of(&name);
                    }
                    at
                }
                None => {
                    let old = known(&old_roots).map(|at| old_roots.swap_remove(at));
                    let new = match (old, trees.get(&root.directory)) {
                        (Some(old), tree) if !opened || tree.is_none() => {
                            old.reconfigured(number, name.clone(), options)
                        }
                        (_, Some(tree)) => {
                            let (tree, places) = (Arc::clone(tree), self.places.clone());
                            Root::new(tree, number, name.clone(), options, places)
                        }
                        _ => continue,
                    };
                    self.roots.push(new);
                    self.roots.len() - 1
                }
            };
            let ready = prepared.iter().position(|ready| ready.image.name == name);
            let ready = ready.map(|ready| prepared.swap_remove(ready));
            if let Some(root) = ready.and_then(|ready| ready.root) {
                self.next += 1;
                let followed = FollowedImage {
                    number,
                    name,
                    settings: root.settings,
                    root: at,
                    served: root.facts,
                };
                self.images.push(Followed::new(self.next, followed));
                continue;
            }
            let old = old_images.iter().position(|old| old.followed.name == name);
            if let Some(mut old) = old.map(|old| old_images.swap_remove(old)) {
                old.followed.number = number;
                old.followed.root = at;
                self.images.push(old);
            }
        }
        let directories: Vec<&Path> = self.roots.iter().map(Root::directory).collect();
        self.places.keep(&directories);
        self.follow_files(configuration, settings, prepared);
    }

    /// Follows the images without a root.
    fn follow_files(
        &mut self,
        configuration: u64,
        settings: &CatalogSettings,
        prepared: &[ReadyImage],
    ) {
        let mut old = std::mem::take(&mut self.files);
        for (place, image) in settings.images.iter().enumerate() {
            if image.source.root().is_some() {
                continue;
            }
            let number = ImageNumber::of(configuration, settings, place);
            let name = image.name.as_deref().unwrap_or_default();
            let mut ready = prepared.iter();
            let files = match ready.find(|ready| ready.image.name == name) {
                Some(ready) => FollowedFiles::new(number, image.clone(), &ready.files),
                None => match old.iter().position(|old| old.name() == name) {
                    Some(known) => old.swap_remove(known).renumbered(number),
                    None => continue,
                },
            };
            self.files.push(files);
        }
    }
}

/// Who has begun to boot a generation finds its root also when that is no image any more: all are the same directory.
fn keep_names(served: &[(PathBuf, ExportOptions)], wanted: &mut [(PathBuf, ExportOptions)]) {
    for (directory, options) in wanted {
        let before = served.iter().find(|(path, _)| path == directory);
        let names = before.map_or(&[][..], |(_, before)| &before.names);
        let is_kept = |name: &&String| {
            let of = name.rsplit_once('@').map(|(image, _)| image);
            of.is_some_and(|of| options.names.iter().any(|name| name == of))
                && !options.names.contains(name)
        };
        let kept: Vec<String> = names.iter().filter(is_kept).cloned().collect();
        options.names.extend(kept);
    }
}

/// The place of an image that has this directory, and the number of the tree that it is of that image; 0 if it was never swapped.
fn place_of(settings: &CatalogSettings, directory: &Path) -> (usize, u32) {
    let as_root = settings.roots().find_map(|(place, root)| {
        let tree = root.swapped.as_ref().map_or(0, |swapped| swapped.tree);
        (root.directory == directory).then_some((place, tree))
    });
    let as_another = || {
        settings.roots().find_map(|(place, root)| {
            let mut others = root.swapped.as_ref()?.others();
            others.find_map(|(tree, path)| (path == directory).then_some((place, *tree)))
        })
    };
    as_root.or_else(as_another).unwrap_or((usize::MAX, 0))
}

/// The directory that an image has here, and what it hides of it.
fn own_root(image: &&Image) -> Option<(PathBuf, HiddenPaths)> {
    match &image.root()?.location {
        RootLocation::Own {
            directory, hidden, ..
        } => Some((directory.clone(), hidden.clone())),
        RootLocation::Elsewhere(_) => None,
    }
}

/// The folders for a Raspberry Pi of the images that were prepared, and of those whose root was opened for another reason.
fn firmware(
    images: &[&Image],
    prepared: &[ReadyImage],
    step: &Step,
    trees: &Trees,
) -> Vec<(String, Option<Folder>)> {
    let mut folders = Vec::new();
    for image in images {
        let is_prepared = prepared.iter().any(|ready| ready.image.name == image.name);
        let root = own_root(image);
        let options = root.as_ref().and_then(|(directory, _)| {
            let mut all = step.all.iter();
            all.find(|(path, _)| path == directory)
        });
        let tree = root
            .as_ref()
            .and_then(|(directory, _)| trees.get(directory));
        let (Some((_, options)), Some(tree)) = (options, tree) else {
            if is_prepared {
                folders.push((image.name.clone(), None));
            }
            continue;
        };
        folders.push((image.name.clone(), folder(tree, options)));
    }
    folders
}

fn folder(tree: &RootTree, options: &ExportOptions) -> Option<Folder> {
    // Where the directory is in the helper's area of mounts.
    let path = format!("/proc/self/fd/{}", tree.directory().as_raw_fd());
    let real = fs::read_link(&path).ok()?;
    let folder = raspberry_pi::of_open_root(tree)?;
    Some(folder.hiding([(real.as_path(), &options.hidden)].into_iter()))
}
