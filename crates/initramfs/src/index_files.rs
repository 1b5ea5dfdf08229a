//! Reads the index files of a root's module tree.

use crate::build_error::BuildError;
use crate::kernel::Kernel;
use crate::module_index::index::{Index, IndexTexts};
use crate::root_tree::{RootTree, RootTreeError};

/// The size limit of a file of the module index, in bytes; `modules.alias` of a distribution has 1.5 MiB.
const MAX_SIZE: u64 = 32 << 20;

/// The index of a kernel's module tree, which is at `tree` in the root.
///
/// # Errors
/// [`BuildError::NoIndex`], [`BuildError::Index`] and [`BuildError::Root`].
pub(crate) fn read_index(
    root: &RootTree,
    kernel: &Kernel,
    tree: &str,
) -> Result<Index, BuildError> {
    let text = |name: &str| read_text(root, tree, name);
    let Some(dep) = text("modules.dep")? else {
        return Err(BuildError::NoIndex {
            place: root.host_path(tree),
            root: root.path().to_owned(),
            version: kernel.version.clone(),
        });
    };
    let texts = IndexTexts {
        dep,
        alias: text("modules.alias")?.unwrap_or_default(),
        softdep: text("modules.softdep")?.unwrap_or_default(),
        weakdep: text("modules.weakdep")?.unwrap_or_default(),
        builtin: text("modules.builtin")?.unwrap_or_default(),
        builtin_modinfo: text("modules.builtin.modinfo")?.unwrap_or_default(),
    };
    Index::parse(&texts).map_err(|source| BuildError::Index {
        place: root.host_path(tree),
        root: root.path().to_owned(),
        version: kernel.version.clone(),
        source,
    })
}

/// The text of `modules.order`: which modules were built with the kernel. Empty if that is not known.
///
/// # Errors
/// The file system's.
pub(crate) fn read_order(root: &RootTree, tree: &str) -> Result<String, RootTreeError> {
    Ok(read_text(root, tree, "modules.order")?.unwrap_or_default())
}

/// `None` if there is no such file.
fn read_text(root: &RootTree, tree: &str, name: &str) -> Result<Option<String>, RootTreeError> {
    match root.read(&format!("{tree}/{name}"), MAX_SIZE) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}
