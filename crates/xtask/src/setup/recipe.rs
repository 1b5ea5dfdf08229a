//! Makes the roots and other folders below `.cache/`, each by a shell script that runs as root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

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
    give_cache_back()?;
    run(Command::new("unshare")
        .args(["--mount", "sh"])
        .arg(script)
        .args(arguments)
        .env("PATH", PATH))
}

/// Makes the cache's folders those of the user who called sudo: what needs no root is fetched there without it. What is
/// in them stays root's.
fn give_cache_back() -> Result<()> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let (Some(user), Some(group)) = (number("SUDO_UID"), number("SUDO_GID")) else {
        return Ok(());
    };
    let cache = paths::cache();
    for folder in [cache.join("kernels"), cache] {
        if folder.is_dir() {
            std::os::unix::fs::lchown(&folder, Some(user), Some(group))
                .with_context(|| format!("give {} to its user", folder.display()))?;
        }
    }
    Ok(())
}

/// The command line that runs this program again.
pub(super) fn own_command(arguments: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "xtask".into());
    format!("{} {arguments}", program.display())
}

/// Makes a folder of the cache by a recipe, which is given that folder and what is in `arguments`: whole, or not at all. Beside
/// it stays by which text it was made ([`is_made_by`]).
///
/// # Errors
/// When the recipe cannot be written, or fails, or the folder cannot be moved to its place.
pub(super) fn make_folder(folder: &Path, text: &str, arguments: &[&OsStr]) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    for left_over in [unfinished.as_path(), folder] {
        remove(left_over)?;
    }
    std::fs::create_dir_all(&unfinished)
        .with_context(|| format!("create {}", unfinished.display()))?;
    let arguments = [&[unfinished.as_os_str()], arguments].concat();
    follow(text, &folder.with_extension("sh"), &arguments)?;
    std::fs::rename(&unfinished, folder)
        .with_context(|| format!("move {} to its place", unfinished.display()))?;
    let stamp = stamp(folder);
    std::fs::write(&stamp, text).with_context(|| format!("write {}", stamp.display()))
}

/// Puts what a recipe has made in the place of `folder`, which stays until then.
///
/// # Errors
/// When one of them cannot be moved.
pub(super) fn put_in_place(unfinished: &Path, folder: &Path) -> Result<()> {
    // Not as an extension: a folder may be named by a version.
    let mut old = folder.as_os_str().to_owned();
    old.push(".old");
    let old = PathBuf::from(old);
    remove(&old)?;
    if folder.exists() {
        std::fs::rename(folder, &old).with_context(|| format!("move {} away", folder.display()))?;
    }
    std::fs::rename(unfinished, folder)
        .with_context(|| format!("move {} to its place", unfinished.display()))?;
    remove(&old)
}

/// Whether [`make_folder`] has made it by this text.
pub(super) fn is_made_by(folder: &Path, text: &str) -> bool {
    let made_by = std::fs::read_to_string(stamp(folder)).unwrap_or_default();
    folder.exists() && made_by == text
}

fn stamp(folder: &Path) -> PathBuf {
    folder.with_extension("recipe")
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_made_takes_the_place_of_what_was_there_and_of_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        let [kernel, other, new] = ["6.12", "6.1", "new"].map(|name| cache.path().join(name));
        for (folder, file) in [(&kernel, "old"), (&other, "other"), (&new, "made")] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join(file), "").unwrap();
        }
        put_in_place(&new, &kernel).unwrap();
        assert!(kernel.join("made").exists() && !kernel.join("old").exists());
        assert!(other.join("other").exists());
        let left = fs::read_dir(cache.path()).unwrap().count();
        assert_eq!(left, 2, "nothing else is left");
    }
}
