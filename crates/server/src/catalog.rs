//! Which machine boots what: values and one function, no sockets and no files.
//!
//! [`Catalog::assign`] is asked for the script, the loader, DHCP's option 17, the export and the report alike, so
//! that all of them agree.

mod image;
mod rule;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use image::{
    Image, ImageFile, ImageKind, KernelFile, RootImage, RootLocation, export_path, file_of_image,
    name_of_directory,
};
pub(crate) use rule::{ArrivedAt, KnownMachine};

use crate::settings::{Choice, Rule};

/// The images, and who boots which.
#[derive(Debug)]
pub(crate) struct Catalog {
    images: Vec<Arc<Image>>,
    rules: Vec<(Rule, Arc<Image>)>,
    default: Arc<Image>,
}

/// The images or rules contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CatalogError {
    /// Nothing to boot.
    #[error("no image is configured; give at least one directory to serve")]
    Empty,
    /// A name that a URL or an NFS path cannot carry.
    #[error(
        "the image name {0:?} cannot be used in a URL; use letters, digits, dots, hyphens and underscores"
    )]
    Name(String),
    /// Two images of one name.
    #[error("two images have the name {0}; give each its own")]
    SameName(String),
    /// A rule for an image that does not exist.
    #[error("a rule names the image {name}, which does not exist; the images are {}", known.join(", "))]
    Unknown {
        /// The name in the rule.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
}

impl Catalog {
    /// The first image is the default: what every machine boots that no rule is for.
    pub(crate) fn new(images: Vec<Image>, rules: Vec<Rule>) -> Result<Self, CatalogError> {
        let images: Vec<Arc<Image>> = images.into_iter().map(Arc::new).collect();
        let default = Arc::clone(images.first().ok_or(CatalogError::Empty)?);
        let mut names = BTreeSet::new();
        for image in &images {
            if !image::is_name(&image.name) {
                return Err(CatalogError::Name(image.name.clone()));
            }
            if !names.insert(image.name.as_str()) {
                return Err(CatalogError::SameName(image.name.clone()));
            }
        }
        let find = |rule: Rule| {
            let Some(Choice::Image(name)) = &rule.choice else {
                return None;
            };
            Some(match images.iter().find(|image| image.name == *name) {
                Some(image) => Ok((rule, Arc::clone(image))),
                None => Err(CatalogError::Unknown {
                    known: images.iter().map(|image| image.name.clone()).collect(),
                    name: name.clone(),
                }),
            })
        };
        let rules = rules
            .into_iter()
            .filter_map(find)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            images,
            rules,
            default,
        })
    }

    /// What a machine boots that reached the server there: the image of the first rule that matches, else the default.
    pub(crate) fn assign(&self, machine: &KnownMachine, arrived: &ArrivedAt<'_>) -> &Image {
        self.rules
            .iter()
            .find(|(rule, _)| rule::matches(rule, machine, arrived))
            .map_or(&self.default, |(_, image)| image)
    }

    /// Every image.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Image> {
        self.images.iter().map(AsRef::as_ref)
    }

    /// The only image, which has short names beside its own.
    pub(crate) fn only(&self) -> Option<&Image> {
        match self.images.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The same with `image` in the place of the one with its name, if there is one.
    pub(crate) fn with(&self, image: Image) -> Self {
        let new = Arc::new(image);
        let exchanged = |old: &Arc<Image>| match old.name == new.name {
            true => Arc::clone(&new),
            false => Arc::clone(old),
        };
        let rules = self.rules.iter();
        Self {
            images: self.images.iter().map(exchanged).collect(),
            rules: rules
                .map(|(rule, old)| (rule.clone(), exchanged(old)))
                .collect(),
            default: exchanged(&self.default),
        }
    }

    /// The paths under which an image's root is exported.
    pub(crate) fn export_paths(&self, image: &Image) -> Vec<String> {
        let mut paths = vec![export_path(&image.name)];
        if self.only().is_some() {
            paths.push("/".to_owned());
        }
        paths
    }
}

#[cfg(test)]
pub(crate) mod tests;
