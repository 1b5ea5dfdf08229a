//! Folders of a root, which need not be there.

use crate::root_tree::{RootTree, RootTreeError};

/// The size limit of a boot loader entry, or of a file with the name of a package, in bytes.
pub(super) const MAX_FILE: u64 = 16 << 10;

/// The names in a directory that need not be there; an unreadable one has none.
pub(super) fn names(root: &RootTree, directory: &str) -> Vec<String> {
    root.names_in(directory).unwrap_or_default()
}

pub(super) fn names_or_none(
    root: &RootTree,
    directory: &str,
) -> Result<Vec<String>, RootTreeError> {
    match root.names_in(directory) {
        Err(error) if error.is_absent() => Ok(Vec::new()),
        other => other,
    }
}
