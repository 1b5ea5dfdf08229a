//! A root file system small enough to boot in a second, and one in the shape of Guix System.

mod guix;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;

pub use guix::GuixRoot;

/// A root whose `/sbin/init` prints what it finds and powers the machine off: see
/// `tests/facts`. It contains the Debian kernel and its modules as hard links, so that
/// `netroot serve` can make an initrd from it.
#[derive(Debug)]
pub struct TinyRoot {
    folder: tempfile::TempDir,
}

impl TinyRoot {
    /// A new root in its own directory, which is removed with this value.
    ///
    /// # Errors
    /// When the Debian root or `netroot-facts` are missing, or the disk is full.
    pub fn make() -> Result<Self> {
        let root = Self::without_init()?;
        let init = root.path().join("sbin/init");
        std::fs::copy(paths::facts()?, &init)
            .with_context(|| format!("copy netroot-facts to {}", init.display()))?;
        std::fs::set_permissions(&init, PermissionsExt::from_mode(0o755))?;
        Ok(root)
    }

    /// The same without an init, as in a wrong directory.
    ///
    /// # Errors
    /// As [`TinyRoot::make`].
    pub fn without_init() -> Result<Self> {
        let folder = folder()?;
        let path = folder.path();
        for name in [
            "boot", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr/lib", "var",
        ] {
            std::fs::create_dir_all(path.join(name))?;
        }
        symlink("usr/lib", path.join("lib"))?;
        std::fs::write(path.join("etc/hostname"), "tiny\n")?;
        std::fs::write(path.join("etc/witness"), "the root's own words\n")?;
        let home = path.join("home/user");
        std::fs::create_dir_all(&home)?;
        std::fs::write(home.join("note"), "the user's own\n")?;
        for owned in [home.join("note"), home] {
            std::os::unix::fs::chown(&owned, Some(USER), Some(USER))
                .with_context(|| format!("give {} away", owned.display()))?;
        }
        let (version, kernel) = paths::debian_kernel()?;
        let copy = path.join("boot").join(format!("vmlinuz-{version}"));
        std::fs::hard_link(&kernel, &copy)
            .with_context(|| format!("link {} to {}", kernel.display(), copy.display()))?;
        let modules = Path::new("lib/modules").join(&version);
        link_tree(
            &paths::debian_root().join(&modules),
            &path.join("usr").join(&modules),
        )?;
        Ok(Self { folder })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The owner of some files in a tiny root, besides root.
const USER: u32 = 1000;

/// The prefix of the names of tiny roots' directories.
const PREFIX: &str = "tiny-root-";

/// An empty directory for a root.
fn folder() -> Result<tempfile::TempDir> {
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
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_tree(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            std::fs::hard_link(entry.path(), &target)
                .with_context(|| format!("link {}", target.display()))?;
        }
    }
    Ok(())
}
