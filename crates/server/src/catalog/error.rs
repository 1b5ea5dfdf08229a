//! Why a catalog cannot be.

use crate::append::AppendError;
use crate::settings::Origin;

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
    /// A machine whose name is no host name.
    #[error("{origin}: the machine name {name:?} is no host name; use letters, digits and hyphens")]
    HostName {
        /// The name.
        name: String,
        /// Where.
        origin: Origin,
    },
    /// A machine without anything to tell it by.
    #[error(
        "{origin}: nothing identifies the machine {name}; give it a mac, uuid, serial or client-id"
    )]
    Nameless {
        /// Its name.
        name: String,
        /// Where.
        origin: Origin,
    },
    /// Two machines of one identity.
    #[error("{0}")]
    SameMachine(Box<SameMachine>),
}

/// Two machines of one identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{origin}: the machine {name} has {what}, which the machine {other} at {other_origin} has too"
)]
pub(crate) struct SameMachine {
    /// What both have.
    pub(super) what: String,
    /// The machine's name.
    pub(super) name: String,
    /// Where.
    pub(super) origin: Origin,
    /// The other one's.
    pub(super) other: String,
    /// Where that is.
    pub(super) other_origin: Origin,
}
