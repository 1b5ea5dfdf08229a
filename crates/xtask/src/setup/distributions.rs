//! The programs of Debian 13 from which the tests make roots of other distributions, unpacked by `distributions.sh`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::debian_root::mirror;
use super::install_step::InstallStep;
use super::recipe::{follow, own_command, remove};

const RECIPE: &str = include_str!("distributions.sh");

/// The programs, which are missing or were unpacked by another version of the recipe.
pub(super) struct Distributions {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<Distributions> {
    let is_outdated = paths::trixie().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != RECIPE).then_some(Distributions { is_outdated })
}

fn stamp() -> PathBuf {
    paths::trixie().with_extension("recipe")
}

impl InstallStep for Distributions {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests boot roots in the shape of other distributions: about 50 MB to fetch, 150 MB on disk"
        };
        vec![format!(
            "systemd 257, NetworkManager, ConnMan, OpenRC, runit and others of Debian 13 in {}: {why}",
            paths::trixie().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --distributions-only")]
    }

    fn run(&self) -> Result<()> {
        let tree = paths::trixie();
        let unfinished = tree.with_extension("unfinished");
        let scratch = tree.with_extension("scratch");
        for left_over in [&unfinished, &scratch, &tree] {
            remove(left_over)?;
        }
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("create {}", scratch.display()))?;
        follow(
            RECIPE,
            &scratch.join("distributions.sh"),
            &[unfinished.as_ref(), mirror().as_ref(), scratch.as_ref()],
        )?;
        std::fs::rename(&unfinished, &tree)
            .with_context(|| format!("move the programs to {}", tree.display()))?;
        std::fs::write(stamp(), RECIPE).with_context(|| format!("write {}", stamp().display()))?;
        remove(&scratch)
    }
}
