//! Store systems (Guix System, NixOS): each generation that is there when the server starts is an image, `guix@42`, beside
//! `guix`, which is the current one at any time.

use netroot_initramfs::RootTree;

use crate::settings::{CatalogSettings, ImageSettings, ImageSource, RootSettings};

/// How many generations of one root are images: each has an initrd of its own, and the newest are what somebody goes
/// back to.
const MOST: usize = 5;

/// Adds the generations of each image that wants them behind all images. A root that cannot be opened has none here: that
/// it cannot is told when it is served.
pub(crate) fn add(catalog: &mut CatalogSettings) {
    let added: Vec<ImageSettings> = wanting(catalog)
        .filter_map(|(image, root)| {
            let tree = RootTree::open(&root.directory).ok()?;
            let found = netroot_initramfs::generations(&tree).into_iter();
            Some(found.take(MOST).map(|generation| {
                let made = generation
                    .made
                    .and_then(|made| jiff::Timestamp::try_from(made).ok());
                let made = made.map(|made| made.strftime(" of %Y-%m-%d").to_string());
                let name = image.name.clone().unwrap_or_default();
                let title = image.title.as_ref().unwrap_or(&name);
                ImageSettings {
                    title: Some(format!(
                        "{title}, generation {}{}",
                        generation.number,
                        made.unwrap_or_default()
                    )),
                    name: Some(name_of(&name, generation.number)),
                    source: ImageSource::Root(RootSettings {
                        kernel: Some(generation.kernel),
                        generations: false,
                        ..root.clone()
                    }),
                    ..image.clone()
                }
            }))
        })
        .flatten()
        .collect();
    catalog.images.extend(added);
}

/// Adds the generations that an earlier configuration has, for the images that are still in this one. Pure, so that every
/// process that reads a configuration comes to the same list.
pub(crate) fn add_known(catalog: &mut CatalogSettings, known: &CatalogSettings) {
    let mut added = Vec::new();
    for (image, root) in wanting(catalog) {
        let before = known.images.iter().filter_map(|one| {
            let number = generation_of(one.name.as_deref()?, image.name.as_deref()?)?;
            Some((number, one.source.root()?, one.title.clone()))
        });
        added.extend(
            before
                .filter(|(_, before, _)| before.directory == root.directory)
                .map(|(number, before, title)| ImageSettings {
                    name: image.name.as_ref().map(|name| name_of(name, number)),
                    title,
                    source: ImageSource::Root(RootSettings {
                        kernel: before.kernel.clone(),
                        generations: false,
                        ..root.clone()
                    }),
                    ..image.clone()
                }),
        );
    }
    catalog.images.extend(added);
}

/// The images whose generations are images. Where a kernel is named, that is the one.
fn wanting(catalog: &CatalogSettings) -> impl Iterator<Item = (&ImageSettings, &RootSettings)> {
    let all = catalog.images.iter();
    all.filter_map(|image| {
        let root = image.source.root();
        let root = root.filter(|root| root.generations && root.kernel.is_none())?;
        Some((image, root))
    })
}

fn name_of(image: &str, number: u32) -> String {
    format!("{image}@{number}")
}

/// The number of a generation of `image`, if this is the name of one.
fn generation_of(name: &str, image: &str) -> Option<u32> {
    name.strip_prefix(image)?.strip_prefix('@')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::{InitrdSource, Origin};

    fn image(directory: &Path, generations: bool) -> ImageSettings {
        ImageSettings {
            name: Some("guix".to_owned()),
            title: None,
            source: ImageSource::Root(RootSettings {
                directory: directory.to_owned(),
                nfsroot: None,
                kernel: None,
                initrd: InitrdSource::File("/initrd.img".into()),
                overlay: true,
                hidden: netroot_nfs_export::HiddenPaths::default(),
                submounts: true,
                generations,
            }),
            append: Some("quiet".to_owned()),
            origin: Origin::CommandLine,
        }
    }

    fn names(catalog: &CatalogSettings) -> Vec<&str> {
        let images = catalog.images.iter();
        images.filter_map(|image| image.name.as_deref()).collect()
    }

    #[test]
    fn the_newest_generations_are_images_and_stay_so_when_the_configuration_changes() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=7 {
            let system = format!("nix/var/nix/profiles/system-{number}-link");
            let system = folder.path().join(system);
            std::fs::create_dir_all(&system).unwrap();
            std::fs::write(system.join("kernel"), "").unwrap();
        }
        let mut start = CatalogSettings::of_one(image(folder.path(), true));
        add(&mut start);
        let all = ["guix", "guix@7", "guix@6", "guix@5", "guix@4", "guix@3"];
        assert_eq!(names(&start), all);
        let seventh = &start.images[1];
        let title = seventh.title.as_deref().unwrap();
        assert!(title.starts_with("guix, generation 7 of 20"), "{title}");
        let root = seventh.source.root().unwrap();
        let kernel = "/nix/var/nix/profiles/system-7-link/kernel";
        assert_eq!(root.kernel.as_deref(), Some(kernel));
        assert_eq!(seventh.append.as_deref(), Some("quiet"));

        let again = |image| {
            let mut read = CatalogSettings::of_one(image);
            add_known(&mut read, &start);
            read
        };
        let same = again(image(folder.path(), true));
        assert_eq!(names(&same), all);
        assert_eq!(
            same.images[1].source.root().unwrap().kernel.as_deref(),
            Some(kernel)
        );
        let loud = again(ImageSettings {
            append: None,
            ..image(folder.path(), true)
        });
        assert_eq!(loud.images[6 - 1].append, None);
        assert_eq!(names(&again(image(folder.path(), false))), ["guix"]);
        assert_eq!(
            names(&again(image(Path::new("/elsewhere"), true))),
            ["guix"]
        );
    }
}
