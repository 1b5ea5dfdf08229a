//! What only root may do: making network namespaces, mounting.

use anyhow::{Result, bail};
use netroot_harness::paths;

/// Fails with the command that a user without root must run, unless this is root.
///
/// # Errors
/// When this is not root.
pub(crate) fn needs_root(why: &str, arguments: &str) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let program = std::env::current_exe().unwrap_or_else(|_| paths::target().join("debug/xtask"));
    bail!(
        "{why}, which needs root. Everything is built: run\n  sudo {} {arguments}",
        program.display()
    );
}
