//! A root in the shape of some distribution, from the programs of Debian 13.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tree::{folder, link_tree};
use crate::paths;

/// A root in its own directory, which is removed with this value. It is filled by the test: each distribution has other
/// places.
#[derive(Debug)]
pub struct ShapedRoot {
    folder: tempfile::TempDir,
}

impl ShapedRoot {
    /// An empty one.
    ///
    /// # Errors
    /// When the programs of Debian 13 are missing, or the disk is full.
    pub fn new() -> Result<Self> {
        ensure!(
            paths::trixie().exists(),
            "{} is missing: `cargo xtask test` makes it",
            paths::trixie().display()
        );
        Ok(Self { folder: folder()? })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes these directories.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn directories(&self, paths: &[&str]) -> Result<()> {
        for path in paths {
            std::fs::create_dir_all(self.path().join(path))
                .with_context(|| format!("create {path}"))?;
        }
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, inside: &str, target: &str) -> Result<()> {
        symlink(target, self.place(inside)?).with_context(|| format!("link {inside}"))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, inside: &str, text: &str) -> Result<()> {
        let place = self.place(inside)?;
        // One that was taken is a link: what it is linked with stays as it is.
        if place.symlink_metadata().is_ok_and(|there| there.is_file()) {
            std::fs::remove_file(&place).with_context(|| format!("remove {inside}"))?;
        }
        std::fs::write(&place, text).with_context(|| format!("write {inside}"))
    }

    /// Writes a file that can be executed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn script(&self, inside: &str, text: &str) -> Result<()> {
        self.write(inside, text)?;
        let mode = PermissionsExt::from_mode(0o755);
        Ok(std::fs::set_permissions(self.place(inside)?, mode)?)
    }

    /// Takes a file of Debian 13, wherever it is there, as a hard link.
    ///
    /// # Errors
    /// When there is none, or it cannot be linked.
    pub fn take(&self, from: &str, inside: &str) -> Result<()> {
        let from = paths::trixie().join(from);
        // A library's name is a link to that of its version.
        let file = from
            .canonicalize()
            .with_context(|| format!("find {}", from.display()))?;
        std::fs::hard_link(&file, self.place(inside)?)
            .with_context(|| format!("link {} as {inside}", file.display()))
    }

    /// Takes a whole directory of Debian 13.
    ///
    /// # Errors
    /// As [`ShapedRoot::take`].
    pub fn take_tree(&self, from: &str, inside: &str) -> Result<()> {
        link_tree(&paths::trixie().join(from), &self.place(inside)?)
    }

    /// Takes programs into the directory `into`, with their libraries, and what loads them where it is compiled into them.
    /// `libraries` is where the root has its libraries.
    ///
    /// # Errors
    /// As [`ShapedRoot::take`].
    pub fn programs(&self, from: &[&str], into: &str, libraries: &str) -> Result<()> {
        for program in from {
            let name = program.rsplit('/').next().unwrap_or_default();
            self.take(program, &format!("{into}/{name}"))?;
            self.libraries_of(program, libraries)?;
        }
        Ok(())
    }

    /// Takes the libraries of a program.
    ///
    /// # Errors
    /// When they cannot be told, and as [`ShapedRoot::take`].
    pub fn libraries_of(&self, program: &str, libraries: &str) -> Result<()> {
        let trixie = paths::trixie();
        let loader = trixie.join("usr/lib64/ld-linux-x86-64.so.2");
        // The second is where systemd has its own, and the program names it.
        let from = trixie.join("usr/lib/x86_64-linux-gnu");
        let folders = [from.as_path(), &from.join("systemd")];
        let found = Command::new(loader)
            .args(["--inhibit-cache", "--library-path"])
            .arg(std::env::join_paths(folders)?)
            .arg("--list")
            .arg(trixie.join(program))
            .output()
            .with_context(|| format!("list the libraries of {program}"))?;
        let said = String::from_utf8_lossy(&found.stderr);
        ensure!(found.status.success(), "the libraries of {program}: {said}");
        let found = String::from_utf8_lossy(&found.stdout);
        let words = found.split_whitespace();
        let files = words.filter_map(|word| word.strip_prefix(trixie.to_str()?)?.strip_prefix('/'));
        for file in files {
            let name = file.rsplit('/').next().unwrap_or_default();
            let place = match name {
                "ld-linux-x86-64.so.2" => format!("lib64/{name}"),
                _ => format!("{libraries}/{name}"),
            };
            if !self.path().join(&place).exists() {
                self.take(file, &place)?;
            }
        }
        Ok(())
    }

    /// Has the dynamic loader find the root's libraries in `libraries`, which Debian's looks for in directories of its own.
    ///
    /// # Errors
    /// When ldconfig fails.
    pub fn find_libraries(&self, libraries: &str) -> Result<()> {
        self.write("etc/ld.so.conf", &format!("/{libraries}\n"))?;
        let done = Command::new("/sbin/ldconfig")
            .arg("-r")
            .arg(self.path())
            .output()
            .context("start ldconfig")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "ldconfig: {said}");
        Ok(())
    }

    /// Installs BusyBox as `busybox`, with a link for each of its programs in the directory of that program in `/bin`,
    /// `/sbin`, `/usr/bin` and `/usr/sbin`. What is there already stays.
    ///
    /// # Errors
    /// As [`ShapedRoot::take`].
    pub fn busybox(&self, busybox: &str) -> Result<()> {
        self.take("usr/bin/busybox", busybox)?;
        let list = Command::new(self.path().join(busybox))
            .arg("--list-full")
            .output()
            .context("start BusyBox")?;
        for program in String::from_utf8_lossy(&list.stdout).lines() {
            if self.path().join(program).symlink_metadata().is_err() {
                self.link(program, &format!("/{busybox}"))?;
            }
        }
        Ok(())
    }

    /// Adds the Debian 12 kernel as `kernel`, and its modules in the directory `modules`. Returns its version.
    ///
    /// # Errors
    /// When there is none, or it cannot be linked.
    pub fn kernel(&self, kernel: &str, modules: &str) -> Result<String> {
        let (version, file) = paths::debian_kernel()?;
        std::fs::hard_link(&file, self.place(kernel)?)
            .with_context(|| format!("link {}", file.display()))?;
        let tree = PathBuf::from("lib/modules").join(&version);
        link_tree(
            &paths::debian_root().join(tree),
            &self.place(&format!("{modules}/{version}"))?,
        )?;
        Ok(version)
    }

    /// The path of something in the root, whose directory is made.
    fn place(&self, inside: &str) -> Result<PathBuf> {
        let path = self.path().join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(path)
    }
}
