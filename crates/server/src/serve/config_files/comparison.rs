//! What a new configuration changes of what machines boot. Pure.

use crate::settings::{CatalogSettings, ImageSettings, Origin};

/// From what is served to what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The images that are new, by name.
    pub(crate) added: Vec<String>,
    /// Those that are configured in another way.
    pub(crate) changed: Vec<String>,
    /// Those that are no longer wanted.
    pub(crate) removed: Vec<String>,
    /// Other machines, rules, menu or default.
    pub(crate) assignments: bool,
}

impl Comparison {
    /// Both with names for all images. Where something is written makes no difference.
    pub(crate) fn between(served: &CatalogSettings, wanted: &CatalogSettings) -> Self {
        let (served, wanted) = (without_origins(served), without_origins(wanted));
        let find = |all: &CatalogSettings, image: &ImageSettings| -> Option<ImageSettings> {
            let mut all = all.images.iter();
            all.find(|other| other.name == image.name).cloned()
        };
        let mut comparison = Self::default();
        for image in &wanted.images {
            let name = image.name.clone().unwrap_or_default();
            match find(&served, image) {
                None => comparison.added.push(name),
                Some(before) if before != *image => comparison.changed.push(name),
                Some(_) => {}
            }
        }
        let gone = served.images.iter();
        let gone = gone.filter(|image| find(&wanted, image).is_none());
        let gone = gone.filter_map(|image| image.name.clone());
        comparison.removed.extend(gone);
        comparison.assignments = CatalogSettings {
            images: Vec::new(),
            ..served
        } != CatalogSettings {
            images: Vec::new(),
            ..wanted
        };
        comparison
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the files of an image have to be opened.
    pub(crate) fn opens(&self, image: &str) -> bool {
        let mut open = self.added.iter().chain(&self.changed);
        open.any(|name| name == image)
    }
}

fn without_origins(settings: &CatalogSettings) -> CatalogSettings {
    let mut settings = settings.clone();
    let images = settings.images.iter_mut().map(|one| &mut one.origin);
    let machines = settings.machines.iter_mut().map(|one| &mut one.origin);
    let rules = settings.rules.iter_mut().map(|one| &mut one.origin);
    for origin in images.chain(machines).chain(rules) {
        *origin = Origin::CommandLine;
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Choice, ImageSource, Rule};

    fn image(name: &str, line: usize) -> ImageSettings {
        ImageSettings {
            name: Some(name.to_owned()),
            title: None,
            source: ImageSource::LocalDisk,
            append: None,
            origin: Origin::File {
                path: "/etc/netroot/netroot.toml".into(),
                line,
            },
        }
    }

    fn settings(images: Vec<ImageSettings>) -> CatalogSettings {
        CatalogSettings {
            images,
            ..CatalogSettings::of_one(image("none", 1))
        }
    }

    #[test]
    fn images_are_told_apart_by_their_names_and_not_by_where_they_are_written() {
        let served = settings(vec![image("a", 1), image("b", 2), image("c", 3)]);
        let quiet = ImageSettings {
            append: Some("quiet".to_owned()),
            ..image("b", 2)
        };
        let wanted = settings(vec![image("d", 1), image("a", 7), quiet]);
        let comparison = Comparison::between(&served, &wanted);
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(
            comparison,
            Comparison {
                added: names(&["d"]),
                changed: names(&["b"]),
                removed: names(&["c"]),
                assignments: false,
            }
        );
        assert!(comparison.opens("d") && comparison.opens("b") && !comparison.opens("a"));
        let moved = settings(vec![image("a", 5), image("b", 6), image("c", 7)]);
        assert_eq!(Comparison::between(&served, &moved), Comparison::default());
    }

    #[test]
    fn rules_and_the_default_are_assignments() {
        let served = settings(vec![image("a", 1)]);
        let ruled = CatalogSettings {
            rules: vec![Rule::default()],
            ..served.clone()
        };
        assert!(Comparison::between(&served, &ruled).assignments);
        let waits = CatalogSettings {
            default: Some(Choice::Wait),
            ..served.clone()
        };
        assert!(Comparison::between(&served, &waits).assignments);
        assert!(!Comparison::between(&served, &served).assignments);
    }
}
