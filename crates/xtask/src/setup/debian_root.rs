//! The Debian root that machines boot, made by `recipe.sh` into `.cache/`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::install_step::InstallStep;
use super::recipe::{follow, own_command, put_in_place, remove};

pub(super) const RECIPE: &str = include_str!("recipe.sh");

/// A root that is missing, or was made by another version of the recipe.
pub(super) struct DebianRoot {
    is_outdated: bool,
}

pub(super) fn missing() -> Result<Option<DebianRoot>> {
    let root = paths::debian_root();
    let stamp = stamp();
    if !root.exists() {
        return Ok(Some(DebianRoot { is_outdated: false }));
    }
    let made_by = std::fs::read_to_string(&stamp).unwrap_or_default();
    Ok((made_by != RECIPE).then_some(DebianRoot { is_outdated: true }))
}

/// Beside the root rather than in it, where machines would see it.
fn stamp() -> PathBuf {
    paths::cache().join("debian-bookworm.recipe")
}

/// Debian's mirror, or the one that the caller names.
pub(super) fn mirror() -> String {
    std::env::var("NETROOT_DEBIAN_MIRROR")
        .unwrap_or_else(|_| "http://deb.debian.org/debian".to_owned())
}

impl InstallStep for DebianRoot {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "its recipe has changed"
        } else {
            "what the machines boot: about 250 MB to fetch, 700 MB on disk"
        };
        vec![format!(
            "a Debian 12 root in {}: {why}",
            paths::debian_root().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --debian-root-only")]
    }

    fn run(&self) -> Result<()> {
        let root = paths::debian_root();
        let cache = paths::cache();
        std::fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
        // Made under another name and moved into place: an interrupted run leaves no incomplete root.
        let unfinished = cache.join("debian-bookworm.unfinished");
        remove(&unfinished)?;
        follow(
            RECIPE,
            &cache.join("recipe.sh"),
            &[unfinished.as_ref(), mirror().as_ref()],
        )?;
        put_in_place(&unfinished, &root)?;
        std::fs::write(stamp(), RECIPE).with_context(|| format!("write {}", stamp().display()))
    }
}
