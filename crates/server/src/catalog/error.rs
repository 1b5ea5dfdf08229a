//! Why a catalog cannot be, and that an image is not in it.

use crate::append::AppendError;
use crate::settings::Origin;

/// The sentence for an image that does not exist, with the one that was probably meant, or else those that exist.
pub(crate) fn no_such_image<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match netroot_spelling::nearest(name, known.clone()) {
        Some(nearest) => format!("there is no image {name}; did you mean {nearest}?"),
        None => {
            let all: Vec<&str> = known.collect();
            format!(
                "there is no image {name}; the images are {}",
                all.join(", ")
            )
        }
    }
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
    #[error("{by} names the image {name}, which does not exist; the images are {}", known.join(", "))]
    Unknown {
        /// Who names it.
        by: String,
        /// The name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
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
        /// What both have.
        what: String,
        /// Where the other one is.
        other: Origin,
    },
}
