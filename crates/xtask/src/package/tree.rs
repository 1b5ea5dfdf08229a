//! Files and directories of the package, with the modes that they have in it.

use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file that everybody can read, and creates its parent directories.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let parent = path.parent().context("a file in a directory")?;
    make_folder(parent)?;
    std::fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    set_mode(path, 0o644)
}

/// Creates a directory and its parents, each with the mode that it has in the package.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    std::fs::create_dir(path).with_context(|| format!("create {}", path.display()))?;
    set_mode(path, 0o755)
}

/// Sets a mode, whatever this process's umask is.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).with_context(|| format!("chmod {}", path.display()))
}
