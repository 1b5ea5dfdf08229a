//! What every part of the set-up can say and do.

use anyhow::Result;

/// One thing that is missing and can be done.
pub(super) trait InstallStep {
    /// What will be done, and why: one line each.
    fn plan(&self) -> Vec<String>;
    /// Whether it changes the system and not only this user's files.
    fn needs_root(&self) -> bool;
    /// The command lines that do it, for a person.
    fn commands(&self) -> Vec<String>;
    /// Does it.
    fn run(&self) -> Result<()>;
}
