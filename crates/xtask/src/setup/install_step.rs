//! The interface of each part of the set-up.

use anyhow::Result;

/// Something that is missing and can be installed.
pub(super) trait InstallStep {
    /// What will be done, and why: one line each.
    fn plan(&self) -> Vec<String>;
    /// Whether it changes the system rather than only this user's files.
    fn needs_root(&self) -> bool;
    /// The equivalent command lines.
    fn commands(&self) -> Vec<String>;
    /// Installs it.
    fn run(&self) -> Result<()>;
}
