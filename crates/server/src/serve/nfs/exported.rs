//! Which directories are exported, and how, for what machines boot; and what has to be done where that changes. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netroot_nfs_export::{
    AddressList, ExportNames, ExportOptions, HandleKey, HiddenPaths, Submounts,
};

use super::handle_names::HandleNames;
use super::kept_trees::KeptTrees;
use crate::catalog::{Catalog, RootLocation, is_tree_path, tree_path};

/// What all exports have in common.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    allowed: AddressList,
    key: HandleKey,
    handle_names: Arc<Mutex<HandleNames>>,
    trees: Arc<Mutex<KeptTrees>>,
}

impl Terms {
    pub(super) fn new(
        allowed: AddressList,
        key: HandleKey,
        handle_names: HandleNames,
        trees: KeptTrees,
    ) -> Self {
        Self {
            allowed,
            key,
            handle_names: Arc::new(Mutex::new(handle_names)),
            trees: Arc::new(Mutex::new(trees)),
        }
    }

    /// What is known of the directories that machines run from.
    pub(crate) fn trees(&self) -> MutexGuard<'_, KeptTrees> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a directory that was a root is not exported any more, since no machine runs from it.
    fn is_let_go(&self, directory: &Path) -> bool {
        self.trees().is_let_go(directory)
    }

    /// Gives each export the name that its directory's handles are made with.
    pub(crate) fn name_handles(&self, exports: &mut [(PathBuf, ExportOptions)]) {
        let names = self.handle_names.lock();
        names.unwrap_or_else(PoisonError::into_inner).name(exports);
    }

    pub(super) fn allowed(&self) -> AddressList {
        self.allowed.clone()
    }
}

/// What has to be done to export other directories, or in another way.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The exports that are taken away, by their first names.
    pub(crate) removed: Vec<String>,
    /// Those that have other names, by their first name until now.
    pub(crate) renamed: Vec<(String, ExportNames)>,
    /// The directories that are opened, since they were not exported or show something else.
    pub(crate) open: Vec<(PathBuf, ExportOptions)>,
    /// All that are exported then.
    pub(crate) all: Vec<(PathBuf, ExportOptions)>,
}

impl Step {
    /// From `served` to `wanted`.
    pub(crate) fn between(
        served: &[(PathBuf, ExportOptions)],
        mut wanted: Vec<(PathBuf, ExportOptions)>,
    ) -> Self {
        let mut step = Self::default();
        let first = |options: &ExportOptions| options.names.first().cloned().unwrap_or_default();
        for (directory, before) in served {
            if !wanted.iter().any(|(wanted, _)| wanted == directory) {
                step.removed.push(first(before));
            }
        }
        for (directory, options) in &mut wanted {
            let before = served.iter().find(|(served, _)| served == directory);
            let Some((_, before)) = before else {
                step.open.push((directory.clone(), options.clone()));
                continue;
            };
            // By which it is found.
            let own = first(before);
            options.names.sort_by_key(|name| *name != own);
            let shows_else =
                before.hidden != options.hidden || before.submounts != options.submounts;
            // Machines boot it again: what is there by now.
            let is_back = !is_booted(before) && is_booted(options);
            if shows_else || is_back {
                if first(options) != own {
                    step.removed.push(own);
                }
                step.open.push((directory.clone(), options.clone()));
            } else if before.names != options.names || before.earlier != options.earlier {
                let names = ExportNames {
                    names: options.names.clone(),
                    earlier: options.earlier.clone(),
                };
                step.renamed.push((own, names));
            }
        }
        step.all = wanted;
        step
    }
}

/// Whether machines boot it, and it is not only kept for those that run from it.
pub(crate) fn is_booted(options: &ExportOptions) -> bool {
    let mut names = options.names.iter();
    names.any(|name| !is_tree_path(name))
}

/// Each directory that is exported: the images' roots, and those that were roots and that machines run from still.
pub(crate) fn exported(catalog: &Catalog, terms: &Terms) -> Vec<(PathBuf, ExportOptions)> {
    let mut directories: BTreeMap<PathBuf, ExportOptions> = BTreeMap::new();
    for image in catalog.images() {
        let Some(root) = image.root() else {
            continue;
        };
        let RootLocation::Own {
            directory,
            hidden,
            submounts,
            swapped,
            ..
        } = &root.location
        else {
            continue;
        };
        let mut add = |directory: &PathBuf, names: Vec<String>, earlier: Vec<String>| {
            let exported = directories.entry(directory.clone());
            let exported = exported.or_insert_with(|| ExportOptions {
                names: Vec::new(),
                earlier: Vec::new(),
                allowed: terms.allowed.clone(),
                key: terms.key.clone(),
                hidden: HiddenPaths::default(),
                submounts: Submounts::OwnFsid,
                // What takes its place is opened in a copy of its mounts.
                original: Some(directory.clone()),
                handles_of: None,
            });
            // Images of one directory have one export: it leaves the file systems below out if one of them does, and
            // hides what any of them hides.
            exported.submounts = match exported.submounts {
                _ if !submounts => Submounts::LeaveOut,
                // An overlay shows the directories of another fsid empty.
                Submounts::OwnFsid if root.overlay => Submounts::OneFsid,
                other => other,
            };
            exported.names.extend(names);
            exported.earlier.extend(earlier);
            let all = exported.hidden.patterns().iter().chain(hidden.patterns());
            exported.hidden = HiddenPaths::new(all.cloned());
        };
        let names = catalog.export_paths(image);
        let Some(swapped) = swapped else {
            add(directory, names, Vec::new());
            continue;
        };
        let tree = |number| vec![tree_path(&image.name, number)];
        add(
            directory,
            names.iter().cloned().chain(tree(swapped.tree)).collect(),
            Vec::new(),
        );
        for (number, before) in swapped.others() {
            if !terms.is_let_go(before) {
                add(before, tree(*number), names.clone());
            }
        }
    }
    directories.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::{image, root_image, with_rules};
    use crate::catalog::{Image, ImageKind, RootImage};
    use crate::settings::SwappedRoot;

    fn terms() -> Terms {
        let names = HandleNames::default();
        Terms::new(
            AddressList::networks([]),
            HandleKey::from_bytes([0; 16]),
            names,
            KeptTrees::default(),
        )
    }

    fn of(images: Vec<Image>) -> Vec<(PathBuf, ExportOptions)> {
        exported(&with_rules(images, Vec::new()), &terms())
    }

    /// An image with the root of another one.
    fn also(name: &str, of: &str) -> Image {
        Image {
            kind: image(of).kind,
            ..image(name)
        }
    }

    fn hiding(name: &str, hidden: &str) -> Image {
        let mut image = image(name);
        if let ImageKind::Root(RootImage {
            location: RootLocation::Own { hidden: all, .. },
            ..
        }) = &mut image.kind
        {
            *all = HiddenPaths::new([hidden.parse().unwrap()]);
        }
        image
    }

    #[test]
    fn images_of_one_directory_are_one_export_with_the_names_of_all() {
        let elsewhere = Image {
            kind: ImageKind::Root(RootImage {
                location: RootLocation::Elsewhere("192.0.2.9:/srv/debian".to_owned()),
                ..root_image("elsewhere")
            }),
            ..image("elsewhere")
        };
        let quiet = also("debian-quiet", "debian");
        let exported = of(vec![image("debian"), image("fedora"), quiet, elsewhere]);
        let names: Vec<_> = exported
            .into_iter()
            .map(|(_, exported)| exported.names)
            .collect();
        assert_eq!(names, [vec!["/debian", "/debian-quiet"], vec!["/fedora"]]);
    }

    fn renamed(first: &str, names: &[&str], earlier: &[&str]) -> (String, ExportNames) {
        let [names, earlier] =
            [names, earlier].map(|all| all.iter().map(|name| (*name).to_owned()).collect());
        (first.to_owned(), ExportNames { names, earlier })
    }

    fn swapped(to: &str, tree: u32, before: &[(u32, &str)]) -> Image {
        let mut debian = image("debian");
        if let ImageKind::Root(RootImage {
            location:
                RootLocation::Own {
                    path,
                    directory,
                    swapped,
                    ..
                },
            ..
        }) = &mut debian.kind
        {
            let before = before.iter();
            *path = tree_path("debian", tree);
            *directory = to.into();
            *swapped = Some(Box::new(SwappedRoot {
                configured: "/srv/debian".into(),
                tree,
                newer: Vec::new(),
                before: before.map(|(tree, path)| (*tree, path.into())).collect(),
            }));
        }
        debian
    }

    #[test]
    fn a_root_that_was_exchanged_is_exported_until_nobody_runs_from_it() {
        let first = of(vec![image("debian")]);
        let second = of(vec![swapped("/srv/new", 2, &[(1, "/srv/debian")])]);
        let step = Step::between(&first, second);
        let kept = renamed("/debian", &["/debian@tree1"], &["/debian", "/"]);
        assert_eq!((step.renamed, step.removed.len()), (vec![kept], 0));
        let [(path, options)] = &*step.open else {
            panic!("{:?}", step.open);
        };
        assert_eq!(path, Path::new("/srv/new"));
        assert_eq!(options.names, ["/debian", "/", "/debian@tree2"]);
        // Back again: what is at its path by now is opened.
        let served = step.all;
        let back = of(vec![swapped("/srv/debian", 1, &[(2, "/srv/new")])]);
        let step = Step::between(&served, back);
        let kept = renamed("/debian", &["/debian@tree2"], &["/debian", "/"]);
        assert_eq!((step.renamed, step.removed.len()), (vec![kept], 0));
        let [(path, options)] = &*step.open else {
            panic!("{:?}", step.open);
        };
        assert_eq!(path, Path::new("/srv/debian"));
        assert_eq!(options.names, ["/debian@tree1", "/debian", "/"]);
        // Until it is let go.
        let terms = terms();
        let now = || {
            let catalog = with_rules(vec![swapped("/srv/new", 2, &[(1, "/srv/debian")])], vec![]);
            exported(&catalog, &terms).len()
        };
        assert_eq!(now(), 2);
        terms.trees().let_go(Path::new("/srv/debian"));
        assert_eq!(now(), 1);
    }

    #[test]
    fn only_what_shows_something_else_is_opened_again() {
        let opened = |step: &Step| -> Vec<String> {
            let open = step.open.iter();
            open.map(|(_, options)| options.names.concat()).collect()
        };
        let one = of(vec![image("debian")]);
        // The only image is `/` as well.
        let two = of(vec![image("debian"), image("fedora")]);
        let step = Step::between(&one, two.clone());
        assert_eq!(opened(&step), ["/fedora"]);
        assert_eq!(step.renamed, [renamed("/debian", &["/debian"], &[])]);
        assert!(step.removed.is_empty() && step.all.len() == 2);
        let step = Step::between(&two, one);
        assert_eq!(step.removed, ["/fedora"]);
        assert!(step.open.is_empty());
        // The first name stays where it can.
        let shared = of(vec![also("a", "debian"), image("debian"), image("fedora")]);
        let step = Step::between(&two, shared.clone());
        assert_eq!(step.renamed, [renamed("/debian", &["/debian", "/a"], &[])]);
        assert_eq!(step.all[0].1.names, ["/debian", "/a"]);
        // It goes, and what machines that run have stays.
        let step = Step::between(&step.all, of(vec![also("a", "debian"), image("fedora")]));
        assert_eq!(step.renamed, [renamed("/debian", &["/a"], &[])]);
        let hiding = of(vec![hiding("debian", "/etc/shadow"), image("fedora")]);
        let step = Step::between(&two, hiding);
        assert_eq!(opened(&step), ["/debian"]);
        assert!(step.removed.is_empty() && step.renamed.is_empty());
    }
}
