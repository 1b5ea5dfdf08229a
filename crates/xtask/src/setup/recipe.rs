//! How the roots below `.cache/` are made: by a shell script each, as root.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::run;

/// Debian's own, for who comes from a shell of another distribution or without root's directories in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes the script's text to `script` and runs it with these arguments, in a mount namespace of its own: nothing
/// that it mounts needs an end.
///
/// # Errors
/// When it cannot be written, or fails.
pub(super) fn follow(text: &str, script: &Path, arguments: &[&OsStr]) -> Result<()> {
    std::fs::write(script, text).with_context(|| format!("write {}", script.display()))?;
    run(Command::new("unshare")
        .args(["--mount", "sh"])
        .arg(script)
        .args(arguments)
        .env("PATH", PATH))
}

/// The command line that runs this program again.
pub(super) fn own_command(arguments: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
    format!("{} {arguments}", program.display())
}

/// Removes a folder, if it is there.
///
/// # Errors
/// When it stays.
pub(super) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}
