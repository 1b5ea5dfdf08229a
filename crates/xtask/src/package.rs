//! `cargo xtask package`: the Debian package of netroot.
//!
//! ```text
//! programs, data → tree             files
//! tree, changelog → control files   control
//! both → netroot_VERSION_ARCH.deb   dpkg-deb; release
//! ```
//!
//! The data is beside this file, in `package/`: the unit, its configuration, the maintainer scripts.

mod control;
mod files;
mod release;
mod tree;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use netroot_harness::paths;

use self::release::Release;
use crate::architecture::Architecture;
use crate::run::run;

/// Makes the package in `target/package`, or for arm64 in `target/package-arm64`.
///
/// # Errors
/// When a part does not build, or a tool of Debian's is missing.
pub(crate) fn make(architecture: Architecture) -> Result<PathBuf> {
    let release = Release::current(architecture)?;
    let folder = match architecture {
        Architecture::Amd64 => "package",
        Architecture::Arm64 => "package-arm64",
    };
    let folder = paths::target().join(folder);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let tree = folder.join("tree");
    files::lay_out(&tree, &folder.join("manual"), &release)?;
    control::write(&tree, &folder.join("shlibdeps"), &release)?;
    let package = folder.join(release.file_name());
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .arg(&tree)
        .arg(&package)
        // Time stamps after it become it; and xz's output depends on its threads.
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
        .env("DPKG_DEB_THREADS_MAX", "1")
        .stdout(std::process::Stdio::null()))?;
    Ok(package)
}
