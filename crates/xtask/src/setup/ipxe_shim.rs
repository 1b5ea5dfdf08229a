//! A shim that starts iPXE, built by `ipxe-shim.sh` in `.cache/`, in place of the one that Microsoft signed for iPXE, which cannot be
//! had where the tests run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::{follow, own_command, remove};

const RECIPE: &str = include_str!("ipxe-shim.sh");

/// The shim, which is missing or was built by another version of the recipe.
pub(super) struct IpxeShim {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<IpxeShim> {
    let is_outdated = paths::ipxe_shim().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != RECIPE).then_some(IpxeShim { is_outdated })
}

fn stamp() -> PathBuf {
    paths::ipxe_shim().with_extension("recipe")
}

impl InstallStep for IpxeShim {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests boot machines with Secure Boot by it and iPXE: 13 MB to fetch, 2 MB on disk"
        };
        vec![format!(
            "a shim that starts iPXE, built from Debian's source, in {}: {why}",
            paths::ipxe_shim().display()
        )]
    }

    fn needs_root(&self) -> bool {
        // The cache may be root's.
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --ipxe-shim-only")]
    }

    fn run(&self) -> Result<()> {
        let folder = paths::ipxe_shim();
        let unfinished = folder.with_extension("unfinished");
        for left_over in [&unfinished, &folder] {
            remove(left_over)?;
        }
        std::fs::create_dir_all(&unfinished)
            .with_context(|| format!("create {}", unfinished.display()))?;
        follow(
            RECIPE,
            &paths::cache().join("ipxe-shim.sh"),
            &[unfinished.as_ref(), mirror().as_ref()],
        )?;
        std::fs::rename(&unfinished, &folder)
            .with_context(|| format!("move the shim to {}", folder.display()))?;
        std::fs::write(stamp(), RECIPE).with_context(|| format!("write {}", stamp().display()))
    }
}
