//! What the tests add to the Debian root: an overlay layer in `.cache/`, made by `layer.sh`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use netroot_harness::paths;

use super::debian_root::RECIPE as ROOT_RECIPE;
use super::install_step::InstallStep;
use super::recipe::{follow, own_command, remove};

const RECIPE: &str = include_str!("layer.sh");

/// A layer that is missing, or was made by other versions of the recipes.
pub(super) struct Layer {
    is_outdated: bool,
}

pub(super) fn missing() -> Option<Layer> {
    let is_outdated = paths::tests_layer().exists();
    let made_by = std::fs::read_to_string(stamp()).unwrap_or_default();
    (!is_outdated || made_by != wanted()).then_some(Layer { is_outdated })
}

/// Both recipes: a layer fits only the root that it was made over.
fn wanted() -> String {
    format!("{ROOT_RECIPE}{RECIPE}")
}

fn stamp() -> PathBuf {
    paths::tests_layer().with_extension("recipe")
}

impl InstallStep for Layer {
    fn plan(&self) -> Vec<String> {
        let why = if self.is_outdated {
            "the recipe has changed"
        } else {
            "tests start them on the root's NIC, and boot from them: about 30 MB to fetch, 120 MB on disk"
        };
        vec![format!(
            "network managers (NetworkManager, ifupdown, dhclient, dhcpcd), servers (nfs-kernel-server, chrony) and what \
             boots with Secure Boot (shim-signed, grub-efi-amd64-signed, systemd-boot-efi) for that root in {}: {why}",
            paths::tests_layer().display()
        )]
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        vec![own_command("setup --tests-layer-only")]
    }

    fn run(&self) -> Result<()> {
        let layer = paths::tests_layer();
        let unfinished = layer.with_extension("unfinished");
        let scratch = layer.with_extension("scratch");
        for left_over in [&unfinished, &scratch, &layer] {
            remove(left_over)?;
        }
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("create {}", scratch.display()))?;
        let root = paths::debian_root();
        follow(
            RECIPE,
            &scratch.join("layer.sh"),
            &[root.as_ref(), unfinished.as_ref(), scratch.as_ref()],
        )?;
        std::fs::rename(&unfinished, &layer)
            .with_context(|| format!("move the layer to {}", layer.display()))?;
        std::fs::write(stamp(), wanted())
            .with_context(|| format!("write {}", stamp().display()))?;
        remove(&scratch)
    }
}
