//! What is served has changed, because the world around the server has.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use super::fields::Fields;
use super::wording::size;

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
    /// A root has more generations than are images.
    GenerationsLimited {
        /// The image's name.
        image: String,
        /// How many are images.
        offered: usize,
        /// How many there are.
        all: usize,
    },
    /// Somebody exchanged the root of an image, or went back to an earlier one.
    ImageSwapped {
        /// Its name.
        image: String,
        /// The directory that machines boot from now on.
        root: PathBuf,
        /// The one before, from which machines run.
        before: PathBuf,
    },
    /// The server starts with a root that was swapped before.
    SwapServed {
        /// The image's name.
        image: String,
        /// The directory that machines boot.
        root: PathBuf,
        /// The configured one.
        configured: PathBuf,
    },
    /// No machine runs from a directory any more that was an image's root, and it is not exported any more.
    TreeLetGo {
        /// The directory.
        root: PathBuf,
    },
    /// The configuration has an image that was not there before, or a root has another generation.
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
    /// The configuration is served as it is in its files, which it was not.
    ConfigurationServed,
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

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootReplaced { root } => write!(
                f,
                "{} was replaced: machines that boot get the new one, those that run keep the old one",
                root.display()
            ),
            Self::RootReleased { root } => write!(
                f,
                "no machine uses the {} any more that was replaced; it is closed",
                root.display()
            ),
            Self::KernelFound {
                image,
                linux,
                served,
                age,
                modules_gone,
            } => {
                match age {
                    Age::Newer => write!(f, "{image}: kernel {linux} is newer")?,
                    Age::Older => write!(f, "{image}: kernel {linux} is in the place of {served}")?,
                    Age::Same => write!(f, "{image}: kernel {linux} or its modules were changed")?,
                }
                if *modules_gone {
                    write!(f, ", and the modules of {served} are gone")?;
                }
                f.write_str(": building its initrd")
            }
            Self::NewBoots { image, linux } => {
                write!(f, "{image}: new boots get Linux {linux}")
            }
            Self::NicInitrd {
                image,
                drivers,
                bytes,
                took,
            } => {
                let (size, seconds) = (size(*bytes), took.as_secs_f64());
                write!(
                    f,
                    "{image}: initrd for network cards of {drivers}: {size}, built in {seconds:.1} s"
                )
            }
            Self::ImageSwapped {
                image,
                root,
                before,
            } => write!(
                f,
                "{image}: machines that boot get {}, those that run keep {}",
                root.display(),
                before.display()
            ),
            Self::SwapServed {
                image,
                root,
                configured,
            } => write!(
                f,
                "{image}: machines boot {}, not the configured {} (netroot image swap)",
                root.display(),
                configured.display()
            ),
            Self::TreeLetGo { root } => write!(
                f,
                "no machine runs from {} any more; it is closed",
                root.display()
            ),
            Self::LoaderReplaced { loader } => {
                write!(f, "{loader} was replaced: machines load the new one")
            }
            Self::GenerationsLimited {
                image,
                offered,
                all,
            } => write!(
                f,
                "{image}: of {all} generations the newest {offered} are images; generations = {all} in [image.{image}] makes all of them images"
            ),
            Self::ImageAdded { image } => write!(f, "the image {image} was added"),
            Self::ImageChanged { image } => write!(
                f,
                "the image {image} was changed: machines that boot get it as it is now"
            ),
            Self::ImageRemoved { image } => write!(
                f,
                "the image {image} was removed: no machine boots it any more, those that run go on"
            ),
            Self::AssignmentsChanged => f.write_str(
                "what machines boot has changed: machines, rules, the menu or the default",
            ),
            Self::ConfigurationServed => {
                f.write_str("the configuration is served as it is in its files again")
            }
        }
    }
}

/// The kind of a change.
pub(super) fn kind(change: &Change) -> &'static str {
    match change {
        Change::RootReplaced { .. } => "root-replaced",
        Change::RootReleased { .. } => "root-released",
        Change::KernelFound { .. } => "kernel-found",
        Change::NewBoots { .. } => "new-boots",
        Change::NicInitrd { .. } => "nic-initrd",
        Change::ImageSwapped { .. } => "image-swapped",
        Change::SwapServed { .. } => "swap-served",
        Change::TreeLetGo { .. } => "tree-let-go",
        Change::LoaderReplaced { .. } => "loader-replaced",
        Change::GenerationsLimited { .. } => "generations-limited",
        Change::ImageAdded { .. } => "image-added",
        Change::ImageChanged { .. } => "image-changed",
        Change::ImageRemoved { .. } => "image-removed",
        Change::ConfigurationServed => "configuration-served",
        Change::AssignmentsChanged => "assignments-changed",
    }
}

/// The fields of a change.
pub(super) fn add_fields(fields: &mut Fields, change: &Change) {
    match change {
        Change::ImageSwapped {
            image,
            root,
            before,
        } => {
            fields.add("image", image.as_str());
            fields.add("path", root.to_string_lossy());
            fields.add("before", before.to_string_lossy());
        }
        Change::SwapServed {
            image,
            root,
            configured,
        } => {
            fields.add("image", image.as_str());
            fields.add("path", root.to_string_lossy());
            fields.add("configured", configured.to_string_lossy());
        }
        Change::RootReplaced { root }
        | Change::RootReleased { root }
        | Change::TreeLetGo { root } => {
            fields.add("path", root.to_string_lossy());
        }
        Change::KernelFound {
            image,
            linux,
            served,
            age,
            modules_gone,
        } => {
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
            fields.add("served", served.as_str());
            fields.add("age", age_word(*age));
            fields.add("modules_gone", *modules_gone);
        }
        Change::NewBoots { image, linux } => {
            fields.add("image", image.as_str());
            fields.add("linux", linux.as_str());
        }
        Change::NicInitrd {
            image,
            drivers,
            bytes,
            took,
        } => {
            fields.add("image", image.as_str());
            fields.add("drivers", drivers.as_str());
            fields.add("bytes", *bytes);
            fields.add_seconds(*took);
        }
        Change::LoaderReplaced { loader } => fields.add("loader", loader.as_str()),
        Change::GenerationsLimited {
            image,
            offered,
            all,
        } => {
            fields.add("image", image.as_str());
            fields.add("offered", *offered);
            fields.add("all", *all);
        }
        Change::ImageAdded { image }
        | Change::ImageChanged { image }
        | Change::ImageRemoved { image } => fields.add("image", image.as_str()),
        Change::AssignmentsChanged | Change::ConfigurationServed => {}
    }
}

/// A kernel's version beside the one that is served.
fn age_word(age: Age) -> &'static str {
    match age {
        Age::Newer => "newer",
        Age::Older => "older",
        Age::Same => "same",
    }
}
