//! Directories for roots, and trees of hard links.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths;

/// The prefix of the names of tiny roots' directories.
const PREFIX: &str = "tiny-root-";

/// An empty directory for a root.
pub(super) fn folder() -> Result<tempfile::TempDir> {
    sweep();
    // Beside the Debian root, so that kernel and modules can be hard links: /tmp may be another file system.
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(paths::cache())
        .context("create a folder in .cache")?;
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}

/// Removes the roots of tests that were killed, more than a day ago.
fn sweep() {
    let day = std::time::Duration::from_secs(24 * 3600);
    let entries = std::fs::read_dir(paths::cache());
    for entry in entries.into_iter().flatten().flatten() {
        let is_tiny = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let age = entry.metadata().and_then(|facts| facts.modified());
        let is_old = age.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > day));
        if is_tiny && is_old {
            // Another test may be doing the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies the directory `from` to `to`, every file as a hard link.
pub(super) fn link_tree(from: &Path, to: &Path) -> Result<()> {
    link_tree_if(from, to, &|_| true)
}

/// The same with those files and folders alone that `has` says of their paths in `from`, and the folders of those files.
pub(super) fn link_tree_if(from: &Path, to: &Path, has: &dyn Fn(&Path) -> bool) -> Result<()> {
    let make = || std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()));
    if has(from) {
        make()?;
    }
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_tree_if(&path, &target, has)?;
        } else if entry.file_type()?.is_file() && has(&path) {
            make()?;
            std::fs::hard_link(&path, &target)
                .with_context(|| format!("link {}", target.display()))?;
        }
    }
    Ok(())
}
