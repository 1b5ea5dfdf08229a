//! Why a catalog cannot be, and that an image is not in it.

use netroot_spelling::did_you_mean;

use crate::append::AppendError;
use crate::settings::{Choice, Origin};

/// The sentence for an image that does not exist, with the one that was probably meant, or else those that exist.
pub(crate) fn no_such_image<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    if Choice::WORDS.contains(&name) {
        let all: Vec<&str> = known.collect();
        let all = all.join(", ");
        return format!(
            "{name} is not an image, but a word of the configuration; the images are {all}"
        );
    }
    if let Some(text) = no_such_generation(name, known.clone()) {
        return text;
    }
    let meant = did_you_mean(name, known, "the images are");
    format!("there is no image {name}; {meant}")
}

/// The same of a generation of an image that there is.
fn no_such_generation<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Option<String> {
    let (image, number) = name.rsplit_once('@')?;
    number.parse::<u32>().ok()?;
    known.clone().find(|one| *one == image)?;
    let is_other = |one: &&str| one.rsplit_once('@').is_some_and(|(of, _)| of == image);
    let others: Vec<&str> = known.filter(is_other).collect();
    let others = match others.as_slice() {
        [] => format!("no generation of {image} is an image (generations in [image.{image}])"),
        others => format!("the generations of {image} are {}", others.join(", ")),
    };
    Some(format!(
        "there is no image {name}: that generation is not in the root (any more), or is older than the newest that are images; {others}"
    ))
}

/// The same where `menu`, `wait` and `refuse` can be meant, too.
pub(crate) fn no_such_choice<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let known = known.chain(Choice::WORDS);
    let meant = did_you_mean(name, known, "expected one of");
    format!("there is no image {name}; {meant}")
}

/// The images, machines or rules contradict each other.
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
    /// The default, a machine or a rule names an image that does not exist.
    #[error("{by}: {missing}")]
    Unknown {
        /// Who names it.
        by: String,
        /// That it does not exist.
        missing: String,
    },
    /// What is added to a command line cannot be.
    #[error("{by} cannot append that to the command line: {error}")]
    Append {
        /// Who would.
        by: String,
        /// Why not.
        error: AppendError,
    },
    /// A machine that cannot be.
    #[error("{0}")]
    Machine(Box<MachineError>),
}

/// A machine that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: the machine {name}: {problem}")]
pub(crate) struct MachineError {
    /// Its name.
    pub(crate) name: String,
    /// Where it is configured.
    pub(crate) origin: Origin,
    /// What is wrong with it.
    pub(crate) problem: MachineProblem,
}

/// What is wrong with a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MachineProblem {
    /// Its name is no host name.
    #[error(
        "its name is its host name: use letters, digits, hyphens and dots, and 63 at most between two dots"
    )]
    HostName,
    /// Nothing to tell it by.
    #[error("nothing identifies it: expected one of mac, uuid, serial, client-id")]
    Unidentified,
    /// Another one has it too.
    #[error("{what} is that of the machine at {other} already")]
    Same {
        /// The key that says so; `None` for the name.
        key: Option<&'static str>,
        /// What both have.
        what: String,
        /// Where the other one is.
        other: Origin,
    },
}

impl MachineProblem {
    /// The key in the configuration that is wrong; `None` for the machine as a whole.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self {
            Self::HostName | Self::Unidentified => None,
            Self::Same { key, .. } => *key,
        }
    }
}
