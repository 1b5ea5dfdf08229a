//! Makes the roots below `.cache/`, each by a shell script that runs as root.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run::run;

/// Debian's default: the caller's may lack the sbin directories.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes the script's text to `script` and runs it with these arguments, in its own mount namespace, so that
/// nothing needs to be unmounted.
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

/// Removes a directory if it exists.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}
