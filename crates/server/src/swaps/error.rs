//! Why an image's root cannot be swapped, rolled back or forgotten.

use std::path::PathBuf;

use super::swap::MOST_BEFORE;

/// An image's root cannot be swapped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SwapError {
    /// Nothing would change.
    #[error("{} is the root of {image} already", root.display())]
    Same {
        /// The image.
        image: String,
        /// Its root.
        root: PathBuf,
    },
    /// It is no earlier root.
    #[error("{} is none of the earlier roots of {image}; `netroot image {image}` names them", root.display())]
    Unknown {
        /// The image.
        image: String,
        /// What is no root of it.
        root: PathBuf,
    },
    /// Machines boot it, or would.
    #[error("{} is {what} of {image}, so it cannot be forgotten; {cure}", root.display())]
    Needed {
        /// The image.
        image: String,
        /// The root.
        root: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do first.
        cure: String,
    },
    /// There is none to go back to.
    #[error("the root of {image} was never swapped; `netroot image swap {image} DIR` does that")]
    Never {
        /// The image.
        image: String,
    },
    /// Machines may run from all of them.
    #[error(
        "{image} has {MOST_BEFORE} earlier roots, none of which is closed yet; restart the machines that run from {} first \
         (`netroot image {image}` names them)",
        oldest.display()
    )]
    TooMany {
        /// The image.
        image: String,
        /// The oldest of them.
        oldest: PathBuf,
    },
}
