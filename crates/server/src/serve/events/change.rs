//! What is served has changed, because the world around the server has.

use std::path::PathBuf;
use std::time::Duration;

/// A change of what machines get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Another directory is at a root's path.
    RootReplaced {
        /// The path.
        root: PathBuf,
    },
    /// A directory that was replaced is not exported any more.
    RootReleased {
        /// Its path, where another one is by now.
        root: PathBuf,
    },
    /// A root has another kernel than the one that is served.
    KernelFound {
        /// The image's name.
        image: String,
        /// Its version.
        linux: String,
        /// The version that is served.
        served: String,
        /// Which of them is newer.
        age: Age,
        /// The modules of the one that is served are no longer in the root.
        modules_gone: bool,
    },
    /// A kernel and its initrd are served from now on.
    NewBoots {
        /// The image's name.
        image: String,
        /// The kernel's version.
        linux: String,
    },
    /// The initrd for one network card is built.
    NicInitrd {
        /// The image's name.
        image: String,
        /// The card's drivers.
        drivers: String,
        /// Its length.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// A boot loader's file was exchanged.
    LoaderReplaced {
        /// The name that machines load it by.
        loader: String,
    },
    /// The configuration has an image that was not there before.
    ImageAdded {
        /// Its name.
        image: String,
    },
    /// An image is configured in another way.
    ImageChanged {
        /// Its name.
        image: String,
    },
    /// The configuration no longer has an image.
    ImageRemoved {
        /// Its name.
        image: String,
    },
    /// Other machines, rules, menu or default are configured.
    AssignmentsChanged,
}

/// A kernel's version beside the one that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is newer.
    Newer,
    /// It is older.
    Older,
    /// It is the same version: the file or the modules are others.
    Same,
}
